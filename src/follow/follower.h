#pragma once

#include <memory>
#include <string>

#include "follow/applier.h"
#include "follow/daemons.h"
#include "follow/options.h"
#include "follow/upstream.h"
#include "follow/use_claims.h"
#include "grantfs/result.h"

namespace grantfs::follow {

/// Keeps the copy like its upstream, through everything that passes: connections that end, servers
/// that restart or fail over, slots that are lost. Where it cannot, it stops saying that the copy
/// is current, and tries again.
class Follower {
 public:
  /// `stop` is an eventfd: run() returns soon after it is readable.
  Follower(const Options& options, int stop)
      : options_(options), stop_(stop), daemons_(options.database), claims_(options) {}

  /// Runs until the stop. kInvalid if there is no use in trying again.
  Result<void> run();

 private:
  /// One pair of connections, from their beginning to their end. True: stopped.
  Result<bool> follow();
  /// Opens the copy, or makes it anew: that is so if what it says contradicts the upstream.
  Result<void> have_copy(postgres::Connection& ordinary, postgres::Connection& replication,
                         const UpstreamState& upstream);
  /// kDatabase if the copy has followed another server to a later timeline: this one knows nothing
  /// of what was revoked there since.
  Result<void> check_not_left_behind(const UpstreamState& upstream, const std::string& name) const;
  /// Why the copy cannot go on from where it is; empty: it can.
  std::string why_not_go_on(const UpstreamState& upstream, const std::optional<SlotState>& slot);
  /// Waits a while before the next try; longer each time. True: stopped.
  bool pause();
  void say(const Error& error);

  const Options& options_;
  const int stop_;
  Daemons daemons_;
  UseClaims claims_;
  std::unique_ptr<Applier> applier_;
  std::string must_copy_because_;  ///< empty: the copy stands, as far as is known
  int failures_ = 0;               ///< since the copy was current for the last time
  int failures_at_one_place_ = 0;  ///< while applying what comes behind the same position
  std::string said_;
};

}  // namespace grantfs::follow
