#pragma once

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Gives all that one principal has to another. Admin::transfer() documents it.
class Transfer {
 public:
  /// `connection` must outlive this object.
  explicit Transfer(ChangeConnection& connection) : connection_(connection) {}

  Result<RowCounts> run(const Principal& from, const Principal& to, TransferLinks links);

 private:
  Result<void> check(const Principal& from, const Principal& to);

  ChangeConnection& connection_;
};

}  // namespace grantfs
