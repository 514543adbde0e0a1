#pragma once

#include <sqlite3.h>

#include <filesystem>
#include <string>

#include "grantfs/result.h"

namespace grantfs::db {

/// The error that the connection met last. Its message begins with the path of the database.
Error last_error(sqlite3* handle);

/// What an error of a connection says, but for the path of the database that it begins with: for a
/// message that has named it already.
std::string without_path(const Error& error, const std::filesystem::path& database);

}  // namespace grantfs::db
