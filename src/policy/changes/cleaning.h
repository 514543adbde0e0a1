#pragma once

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Deletes rows of every kind at once. Each method is as Admin's of its name.
class Cleaning {
 public:
  /// The connection must outlive it.
  explicit Cleaning(ChangeConnection& connection) : connection_(connection) {}

  Result<RowCounts> prune();
  Result<RowCounts> forget(const Principal& principal);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
