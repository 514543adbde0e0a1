#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/preparer.h"
#include "db/statement.h"
#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/holding.h"

namespace grantfs {

/// Who an identity is: the principal that a session or a link stands for, and the groups that
/// follow. Reads within the snapshot that its caller began. One thread at a time.
class Identities {
 public:
  /// What becomes of memberships that have expired.
  enum class Expired {
    kIgnore,
    kFollow,  ///< they are followed last, and what follows is not `live`
  };

  /// `database` must outlive it.
  Identities(DecisionDatabase& database, db::Preparer& prepare);

  /// Everything the identity counts as at `now`; empty if the identity itself is void, and of a
  /// signature. `why`, if given, is told of the identity's session or link. One statement for each
  /// principal found.
  Result<Holdings> holdings(const Identity& identity, Timestamp now, Expired expired,
                            Explanation* why = nullptr);
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
  /// None if the token stands for nobody, now and from there.
  Result<std::optional<Bearer>> bearer_of(const Identity& identity, Timestamp now,
                                          Explanation* why);
  /// Whose session the source says it is, if it is one.
  Result<std::optional<Explanation::Session>> session_by_source(const SessionBearer& bearer);
  /// Adds the groups that follow from what was found, and from each other.
  Result<void> follow_memberships(Holdings& found, Timestamp now, Expired expired);

  DecisionDatabase& database_;
  db::Statement session_;
  db::Statement link_;
  db::Statement parents_;
};

}  // namespace grantfs
