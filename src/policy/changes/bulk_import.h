#pragma once

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Brings many rows into the policy in one transaction.
class BulkImport {
 public:
  /// `connection` must outlive this object.
  explicit BulkImport(ChangeConnection& connection) : connection_(connection) {}

  /// See Admin::import().
  Result<ImportCounts> run(const PolicyRowSource& next, const ImportOptions& options);

 private:
  class Staging;

  ChangeConnection& connection_;
};

}  // namespace grantfs
