#pragma once

#include <optional>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Changes rules (owners and grants), and rows of other kinds that have paths. Admin's method of
/// the same name documents each method.
class RuleChanges {
 public:
  /// `connection` must outlive this object.
  explicit RuleChanges(ChangeConnection& connection) : connection_(connection) {}

  Result<std::vector<std::optional<Principal>>> own(const Principal& principal,
                                                    const std::vector<StorePath>& paths);
  Result<void> grant(const Principal& principal, const std::vector<StorePath>& paths,
                     Expiry expires);
  Result<std::vector<RowCounts>> revoke(const Principal& principal,
                                        const std::vector<StorePath>& paths, Reach reach);
  Result<RowCounts> move(const StorePath& from, const StorePath& to);
  Result<RowCounts> drop(const StorePath& path);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
