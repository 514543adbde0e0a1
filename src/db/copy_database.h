#pragma once

#include <chrono>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// Copies the newest commit of `from` to `to`, in one transaction of each (sqlite3_backup_init).
/// The former contents of `to` are replaced. If either is locked by another, waits for `patience`
/// at most. `to` must have pages of the same size if it has a write-ahead log.
Result<void> copy_database(Connection& from, Connection& to, std::chrono::milliseconds patience);

}  // namespace grantfs::db
