#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <string>

#include "grantfs/result.h"

namespace grantfs::db {

/// The error that the connection met last. Its message begins with the path of the database.
Error last_error(sqlite3* handle);

/// The message of a connection's error without the database's path in front, for a text that has
/// named the database already.
std::string without_path(const Error& error, const std::filesystem::path& database);

}  // namespace grantfs::db
