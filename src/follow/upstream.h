#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "grantfs/result.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace grantfs::follow {

/// What makes a copy go on where it stopped: if any of it is another by now, the copy is made anew.
struct UpstreamState {
  std::string system;
  std::int64_t timeline = 0;
  /// Another text if a table was taken out of the publication since, and be it for a moment.
  std::string publication;
  postgres::LogSizes log;
  postgres::Lsn end = 0;  ///< of its log, at least
  std::string started;    ///< as postgres::kServerStarted has it
};

/// What the upstream has of a slot.
struct SlotState {
  bool active = false;          ///< somebody receives from it
  bool lost = false;            ///< the server has removed what the slot would have sent
  postgres::Lsn confirmed = 0;  ///< what comes before is not sent again
};

/// The SQL of the fingerprint that UpstreamState::publication is; NULL unless the publication is
/// whole: all tables of the policy, and every kind of change.
std::string publication_sql();

/// Looks whether the upstream has a policy of this program's schema, and publishes all of it.
/// `ordinary` is a connection without, `replication` one with Settings::replication. kDatabase if
/// not, or if they lead to different servers: one would be asked how far the other's log reaches.
Result<UpstreamState> look_at_upstream(postgres::Connection& ordinary,
                                       postgres::Connection& replication);

/// The state of a slot; none: there is no such slot. kInvalid if it is of another database or
/// plugin: it is not for us to use or drop.
Result<std::optional<SlotState>> look_at_slot(postgres::Connection& ordinary,
                                              const std::string& slot);
Result<void> drop_slot(postgres::Connection& ordinary, const std::string& slot);

/// Tells the upstream for how long this node's daemons may serve what they know without news.
Result<void> register_node(postgres::Connection& ordinary, const std::string& node,
                           std::int64_t follow_seconds);

}  // namespace grantfs::follow
