#pragma once

#include <cstdint>
#include <filesystem>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs {

/// The version of a policy database's schema; kDatabase, saying what the database is instead, if it
/// is none.
Result<std::int64_t> schema_version(db::Connection& connection,
                                    const std::filesystem::path& database);

/// The error for a database that is newer than this program.
Error newer_schema(const std::filesystem::path& database, std::int64_t version);

/// Whether there is nothing in the database, not even a mark of whose it is.
bool is_empty(db::Connection& connection);

}  // namespace grantfs
