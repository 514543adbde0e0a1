#pragma once

#include <chrono>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// Makes `to` what `from` is as of its newest commit, in one transaction of each
/// (sqlite3_backup_init); whatever `to` was is replaced. If either is locked by another, waits for
/// `patience` at most. `to` must have pages of the same size if it has a write-ahead log.
Result<void> copy_database(Connection& from, Connection& to, std::chrono::milliseconds patience);

}  // namespace grantfs::db
