#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "db/connection.h"
#include "db/rows.h"
#include "grantfs/admin.h"
#include "policy/feed/journal.h"
#include "policy/schema/database_file.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

constexpr mode_t kLeadingDirectoryMode = 0755;
constexpr mode_t kDirectoryMode = 02770;  // set-group-ID: what SQLite adds belongs to the group
constexpr mode_t kDatabaseMode = 0660;

Error cannot_create(const std::filesystem::path& path) {
  return {ErrorKind::kSystem,
          fmt::format("cannot create {}: {}", path.string(), std::strerror(errno))};
}

/// Creates one directory with exactly this mode; leaves one that is there as it is.
Result<void> make_directory(const std::filesystem::path& directory, mode_t mode) {
  // Never wider than it ends up, not even in between.
  if (::mkdir(directory.c_str(), mode & 0777) != 0) {
    if (errno == EEXIST) return {};
    return cannot_create(directory);
  }
  if (::chmod(directory.c_str(), mode) != 0) return cannot_create(directory);
  return {};
}

Result<void> make_directories(const std::filesystem::path& directory) {
  std::filesystem::path leading;
  for (auto part = directory.begin(); part != directory.end(); ++part) {
    leading /= *part;
    const bool last = std::next(part) == directory.end();
    auto made = make_directory(leading, last ? kDirectoryMode : kLeadingDirectoryMode);
    if (!made) return made;
  }
  return {};
}

/// An empty file is an empty database to SQLite, which gives the files beside it the same mode.
/// Made before SQLite has it open: closing a descriptor of ours later would drop SQLite's locks.
Result<void> make_file(const std::filesystem::path& database) {
  const UniqueFd fd(
      ::open(database.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) {
    if (errno == EEXIST) return {};
    return cannot_create(database);
  }
  if (::fchmod(fd.get(), kDatabaseMode) != 0) return cannot_create(database);
  return {};
}

Result<void> set_write_ahead_log(db::Connection& connection,
                                 const std::filesystem::path& database) {
  auto statement = connection.prepare("PRAGMA journal_mode = WAL");
  if (!statement) return statement.error();
  db::Rows rows = statement->run();
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row || rows.text(0) != "wal") {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} cannot use a write-ahead log; put it on a local filesystem",
                             database.string())};
  }
  return {};
}

}  // namespace

Result<Initialized> init_database(const std::filesystem::path& database) {
  if (!database.has_filename()) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} names no file; write for example /var/lib/grantfs/NAME/policy.db",
                             database.string())};
  }
  const std::filesystem::path directory = database.has_parent_path() ? database.parent_path() : ".";
  if (auto made = make_directories(directory); !made) return made.error();
  // Before the file is made, so that a refusal leaves nothing behind.
  std::error_code error;
  auto closed = std::filesystem::exists(database, error)
                    ? check_database_is_private(database)
                    : check_directory_is_private(database, Claim::kUnknown);
  if (!closed) return closed.error();
  if (auto made = make_file(database); !made) return made.error();
  if (auto secure = check_database_is_private(database); !secure) return secure.error();
  if (auto fits = check_journal_fits(database); !fits) return fits.error();

  auto connection = db::Connection::open(database, db::Mode::kWrite);
  if (!connection) return connection.error();
  auto steps = migrate_schema(*connection, database, schema_migrations());
  if (!steps) return steps.error();
  if (auto noted = note_file(*connection, database); !noted) return noted.error();
  // Only now is the database known to be ours to change.
  if (auto set = set_write_ahead_log(*connection, database); !set) return set.error();
  if (*steps == 0) return Initialized{InitOutcome::kAlreadyCurrent};
  const std::int64_t from = current_schema_version() - *steps;
  if (from == 0) return Initialized{InitOutcome::kCreated};
  return Initialized{InitOutcome::kMigrated, from < kFirstSchemaWithoutBlankPaths};
}

}  // namespace grantfs
