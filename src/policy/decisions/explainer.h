#pragma once

#include <string_view>
#include <vector>

#include "db/preparer.h"
#include "db/statement.h"
#include "grantfs/policy.h"
#include "policy/decisions/decision_database.h"
#include "policy/decisions/identities/identities.h"
#include "policy/decisions/rules.h"

namespace grantfs {

/// The explainer decides with reasons, for people. It is slower than a decision, and always has the
/// same answer. Reads within the snapshot that its caller began. One thread at a time.
class Explainer {
 public:
  /// All must outlive it.
  Explainer(DecisionDatabase& database, Identities& identities, Rules& rules,
            db::Preparer& prepare);

  /// Explains the access of any identity except a signature.
  Result<Explanation> explain(const Identity& identity, const StorePath& path, Timestamp now);

  /// The statements that must be index seeks.
  static std::vector<std::string_view> statements();

 private:
  /// The rules that a principal has on exactly this path, live or not.
  Result<std::vector<Rule>> rules_at(const Holding& holding, std::string_view path, Timestamp now);
  /// Adds the rules on this path of all principals that the identity counts as.
  Result<void> add_rules(Explanation& result, const Holdings& holdings, std::string_view path,
                         Timestamp now);
  /// Adds the owner of this path, unless an owner further down is known.
  Result<void> add_owner(Explanation& result, std::string_view path);
  /// The chain of memberships by which the identity is the principal of `last`, the identity's own
  /// principal first.
  Result<std::vector<Principal>> way_to(const Holdings& holdings, const Holding& last) const;
  /// The access, once the rules are known.
  Result<void> conclude(Explanation& result, Holdings holdings, const StorePath& path,
                        Timestamp now);

  DecisionDatabase& database_;
  Identities& identities_;
  Rules& rules_;
  db::Statement owner_at_;
  db::Statement grant_at_;
};

}  // namespace grantfs
