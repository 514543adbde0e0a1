#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/preparer.h"
#include "db/statement.h"
#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/identities/holding.h"

namespace grantfs {

/// Identities finds the principals of an identity: the one that a session or a link stands for, and
/// the groups that it is a member of. Reads within the snapshot that its caller began. One thread
/// at a time.
class Identities {
 public:
  /// The treatment of memberships that have expired.
  enum class Expired {
    kIgnore,
    kFollow,  ///< they are followed last, and what follows is not `live`
  };

  /// `database` must outlive it.
  Identities(DecisionDatabase& database, db::Preparer& prepare);

  /// All principals that the identity counts as at `now`; empty if the identity is void, or a
  /// signature. `why`, if given, receives the identity's session or link. Costs one statement for
  /// each principal found.
  Result<Holdings> holdings(const Identity& identity, Timestamp now, Expired expired,
                            Explanation* why = nullptr);
  /// See Policy::count_as().
  Result<std::vector<Principal>> count_as(const Principal& principal, std::size_t most);
  /// The session of this id in the policy database, live or not.
  Result<std::optional<Explanation::Session>> find_session(const TokenHash& id);
  /// The link of this id, live or not.
  Result<std::optional<Explanation::Link>> find_link(const TokenHash& id);

  /// The statements that must be index seeks.
  static std::vector<std::string_view> statements();

 private:
  /// The principal that a token stands for, with the token's own expiry.
  struct Bearer {
    Principal principal;
    Expiry until;
  };
  /// None if the token stands for nobody at this time, or for a client from this address.
  Result<std::optional<Bearer>> bearer_of(const Identity& identity, Timestamp now,
                                          Explanation* why);
  /// The principal whose session the source says the token is; none if it is no session.
  Result<std::optional<Explanation::Session>> session_by_source(const SessionBearer& bearer);
  /// Adds the groups of the principals that were found, and the groups of those groups.
  Result<void> follow_memberships(Holdings& found, Timestamp now, Expired expired);

  DecisionDatabase& database_;
  db::Statement session_;
  db::Statement link_;
  db::Statement parents_;
  db::Statement children_;
};

}  // namespace grantfs
