#pragma once

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Lists who may read a path. Admin::readers() documents it.
class ReaderListing {
 public:
  /// `connection` must outlive this object.
  explicit ReaderListing(ChangeConnection& connection) : connection_(connection) {}

  Result<PathReaders> readers(const StorePath& path);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
