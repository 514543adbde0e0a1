#pragma once

#include <optional>
#include <vector>

#include "db/statement.h"
#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"
#include "values/path_range.h"

namespace grantfs {

/// Which rules there are. Each method is as Admin's of its name.
class RuleListing {
 public:
  /// The connection must outlive it.
  explicit RuleListing(ChangeConnection& connection) : connection_(connection) {}

  Result<std::vector<Rule>> rules(const StorePath& path, const std::optional<Principal>& holder);
  Result<RulePresence> rules_about(const StorePath& path);
  Result<std::optional<Principal>> nearest_owner(const StorePath& path);

 private:
  /// Whether a live rule lies on any of these paths.
  Result<bool> any_rule(const PathRange& range);

  ChangeConnection& connection_;
  std::optional<db::Statement> rule_probe_;
};

}  // namespace grantfs
