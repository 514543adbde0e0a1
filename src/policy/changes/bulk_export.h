#pragma once

#include <functional>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Hands out every row of the policy.
class BulkExport {
 public:
  /// The connection must outlive it.
  explicit BulkExport(ChangeConnection& connection) : connection_(connection) {}

  /// As Admin::for_each_row().
  Result<void> for_each_row(const std::function<Result<void>(const PolicyRow&)>& take);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
