#pragma once

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Deletes rows of every kind at once. Admin's method of the same name documents each method.
class Cleaning {
 public:
  /// `connection` must outlive this object.
  explicit Cleaning(ChangeConnection& connection) : connection_(connection) {}

  Result<RowCounts> prune();
  Result<RowCounts> forget(const Principal& principal);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
