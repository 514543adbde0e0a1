#pragma once

#include <string_view>

#include "db/connection.h"
#include "db/statement.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// Prepares several statements of a connection; the first error counts for all.
class Preparer {
 public:
  explicit Preparer(Connection& connection) : connection_(connection) {}

  /// One of no use after an error.
  Statement operator()(std::string_view sql);
  /// The first error.
  const Result<void>& done() const { return done_; }

 private:
  Connection& connection_;
  Result<void> done_;
};

}  // namespace grantfs::db
