#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/preparer.h"
#include "db/rows.h"
#include "db/statement.h"
#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/identities/holding.h"

namespace grantfs {

/// Rules says what access a path has by owners, grants and the policy source. Reads within the
/// snapshot that its caller began. One thread at a time.
class Rules {
 public:
  /// `database` must outlive it.
  Rules(DecisionDatabase& database, db::Preparer& prepare);

  /// The decision of the rules for an identity with these `holdings`, which must not be empty.
  Result<Decision> decide(const Holdings& holdings, const StorePath& path, Timestamp now);
  /// The decision through a link: on the path that the link is on, and on the folder that holds it.
  Result<Decision> decide_by_link(const Explanation::Link& link, const Holdings& holdings,
                                  const StorePath& path, Timestamp now);

  /// A rule on the path or a folder above it, as a decision; none if there is none. Costs one
  /// statement for each of these paths and each principal, however many rules others have there.
  Result<std::optional<Decision>> covered(const Holdings& holdings, const StorePath& path,
                                          Timestamp now);
  /// A rule below the path, as a decision; none if there is none.
  Result<std::optional<Decision>> passage(const Holdings& holdings, const StorePath& path,
                                          Timestamp now);

  /// The first path from `begin` on and before `end` that the principal owns: no row, or one row
  /// with the path. The texts must outlive the rows. There may be one set of rows at a time.
  db::Rows next_owned(std::string_view principal, std::string_view begin, std::string_view end);
  /// The first such path that the principal has a live grant on, and the grant's expiry.
  db::Rows next_granted(std::string_view principal, std::string_view begin, std::string_view end,
                        Timestamp now);

  /// The statements that must be index seeks.
  static std::vector<std::string_view> statements();

 private:
  DecisionDatabase& database_;
  db::Statement rules_at_;
  db::Statement next_owned_;
  db::Statement next_granted_;
};

}  // namespace grantfs
