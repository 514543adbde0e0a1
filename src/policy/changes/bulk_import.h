#pragma once

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Makes many rows as they are said to be, in one transaction.
class BulkImport {
 public:
  /// The connection must outlive it.
  explicit BulkImport(ChangeConnection& connection) : connection_(connection) {}

  /// As Admin::import().
  Result<ImportCounts> run(const PolicyRowSource& next, const ImportOptions& options);

 private:
  class Staging;

  ChangeConnection& connection_;
};

}  // namespace grantfs
