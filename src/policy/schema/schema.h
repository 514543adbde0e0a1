#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs {

/// `PRAGMA application_id` of a policy database: "GrFS" in ASCII.
inline constexpr std::int64_t kApplicationId = 0x47724653;

/// The SQL that leads from schema version N (its index) to N + 1. Written down once, never edited
/// after a release: databases in the field have run it.
std::span<const char* const> schema_migrations();

/// The schema this program reads and writes.
inline std::int64_t current_schema_version() {
  return static_cast<std::int64_t>(schema_migrations().size());
}

/// From this version on, the path of the whole store is "."; before, it was an empty text.
inline constexpr std::int64_t kFirstSchemaWithoutBlankPaths = 5;

/// Checks that this is a policy database that a program of our schema may use. kDatabase, saying
/// what it is instead: not ours, older (run `grantctl init`), newer (upgrade the program).
Result<void> check_schema(db::Connection& connection, const std::filesystem::path& database);

/// Checks that each table is a table: STRICT, with the columns that init gives it, none of them
/// computed. A view of the same name could say anything, and take for ever to say it. kDatabase,
/// naming the table. Holds for as long as the database's schema_version stays the same.
Result<void> check_tables(db::Connection& connection, const std::filesystem::path& database);

/// Runs the missing migrations in one transaction. Returns how many there were. kDatabase for a
/// foreign or newer database, which is left as it was.
Result<int> migrate_schema(db::Connection& connection, const std::filesystem::path& database,
                           std::span<const char* const> migrations);

/// The kinds of file at the path of a database.
enum class Claim {
  kOurs,     ///< a policy database
  kUnknown,  ///< it could be one, or is none yet
};

/// Checks that the directory of a policy database gives others no permission at all: a user who can
/// enter it could tamper with the files that SQLite keeps beside the database. kInvalid; with the
/// chmod to run if the database is `kOurs` and nothing else lies there: it must never be that of
/// /etc.
Result<void> check_directory_is_private(const std::filesystem::path& database, Claim claim);

/// Checks that the file and its directory are closed to users who must not decide: no permission at
/// all for others on the directory, no write permission for others on the file. kInvalid if not,
/// with the chmod to run as above, but kDatabase if the file is none of ours; kNotFound if there is
/// none.
Result<void> check_database_is_private(const std::filesystem::path& database);

}  // namespace grantfs
