#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"
#include "values/path_range.h"

namespace grantfs {

/// Lists rules. Admin's method of the same name documents each method.
class RuleListing {
 public:
  /// `connection` must outlive this object.
  explicit RuleListing(ChangeConnection& connection) : connection_(connection) {}

  Result<std::vector<Rule>> rules(const RuleQuery& asked);
  Result<RulePresence> rules_about(const StorePath& path);
  Result<std::optional<Principal>> nearest_owner(const StorePath& path);

 private:
  /// The principals whose rules are asked for; none: everybody's.
  Result<std::vector<std::string>> principals_of(const RuleQuery& asked);
  /// Whether a live rule lies on any path in the range.
  Result<bool> any_rule(const PathRange& range);

  ChangeConnection& connection_;
  std::unique_ptr<ChangeStatement> rule_probe_;
};

}  // namespace grantfs
