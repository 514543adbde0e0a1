#pragma once

#include <optional>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Changes and lists the members of groups. Admin's method of the same name documents each method.
class MemberChanges {
 public:
  /// `connection` must outlive this object.
  explicit MemberChanges(ChangeConnection& connection) : connection_(connection) {}

  Result<void> add_member(const Principal& group, const Principal& member, Expiry expires);
  Result<RowCounts> remove_member(const Principal& group, const Principal& member);
  Result<std::vector<Membership>> memberships(const std::optional<Principal>& group);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
