#pragma once

#include <functional>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Hands out every row of the policy.
class BulkExport {
 public:
  /// `connection` must outlive this object.
  explicit BulkExport(ChangeConnection& connection) : connection_(connection) {}

  /// See Admin::for_each_row().
  Result<void> for_each_row(const std::function<Result<void>(const PolicyRow&)>& take);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
