#pragma once

#include <optional>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Changes to the members of groups, and which there are. Each method is as Admin's of its name.
class MemberChanges {
 public:
  /// The connection must outlive it.
  explicit MemberChanges(ChangeConnection& connection) : connection_(connection) {}

  Result<void> add_member(const Principal& group, const Principal& member, Expiry expires);
  Result<RowCounts> remove_member(const Principal& group, const Principal& member);
  Result<std::vector<Membership>> memberships(const std::optional<Principal>& group);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
