#include "grantfs/backup.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "base/new_file.h"
#include "base/quote.h"
#include "db/connection.h"
#include "db/copy_database.h"
#include "db/rows.h"
#include "grantfs/admin.h"
#include "policy/feed/journal.h"
#include "policy/schema/copy_mark.h"
#include "policy/schema/database_file.h"
#include "policy/schema/replacement.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

Error cannot(std::string_view what, const std::filesystem::path& path,
             const std::error_code& error) {
  return {ErrorKind::kSystem,
          fmt::format("cannot {} {}: {}", what, quoted(path.native()), error.message())};
}

bool is_same(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code error;
  return std::filesystem::equivalent(a, b, error);
}

/// To a database in a file of its own, with nothing beside it.
Result<void> copy_to_one_file(db::Connection& from, db::Connection& to) {
  if (auto copied = db::copy_database(from, to, db::kBusyTimeout); !copied) return copied;
  return to.execute("PRAGMA journal_mode = DELETE");
}

/// What was given to restore: with what its -wal holds, if it has one.
Result<db::Connection> open_given(const std::filesystem::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) {
    const std::error_code why(errno, std::generic_category());
    Error error = cannot("read", file, why);
    if (why == std::errc::no_such_file_or_directory || why == std::errc::not_a_directory) {
      error.kind = ErrorKind::kNotFound;
    }
    return error;
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is not a regular file", quoted(file.native()))};
  }
  if (auto fits = check_journal_fits(file); !fits) return fits.error();
  const bool has_wal = ::stat((file.native() + "-wal").c_str(), &status) == 0 && status.st_size > 0;
  // Without one, nothing is to be made beside it.
  return db::Connection::open(file, has_wal ? db::Mode::kRead : db::Mode::kReadUnchanging);
}

Result<void> check_whole(db::Connection& connection, const std::filesystem::path& file) {
  auto statement = connection.prepare("PRAGMA quick_check(1)");
  if (!statement) return statement.error();
  db::Rows rows = statement->run();
  auto row = rows.next();
  if (!row) return row.error();
  if (*row && rows.text(0) == "ok") return {};
  return Error{ErrorKind::kDatabase,
               fmt::format("{} is damaged: {}", quoted(file.native()), rows.text(0))};
}

/// Copies into the live database, which has a write-ahead log: SQLite does that only where both
/// have pages of the same size, and a temporary database cannot change its own.
Result<void> copy_over(db::Connection& from, db::Connection& live,
                       const std::filesystem::path& database) {
  auto wanted = live.query_integer("PRAGMA page_size");
  if (!wanted) return wanted.error();
  auto has = from.query_integer("PRAGMA page_size");
  if (!has) return has.error();
  if (*has == *wanted) return db::copy_database(from, live, db::kBusyTimeout);
  NewFile temporary(database);
  if (temporary.trouble()) return cannot("write beside", database, temporary.trouble());
  temporary.close();
  auto resized = db::Connection::open(temporary.path(), db::Mode::kWrite);
  if (!resized) return resized.error();
  if (auto copied = copy_to_one_file(from, *resized); !copied) return copied;
  auto done = resized->execute(fmt::format("PRAGMA page_size = {}; VACUUM", *wanted).c_str());
  if (!done) return done;
  return db::copy_database(*resized, live, db::kBusyTimeout);
}

/// Owners, grants and so on.
Result<RowCounts> count_rows(db::Connection& connection) {
  RowCounts counts;
  struct Table {
    std::int64_t& count;
    const char* sql;
  };
  for (const Table& table : {Table{counts.owners, "SELECT count(*) FROM owners"},
                             Table{counts.grants, "SELECT count(*) FROM grants"},
                             Table{counts.members, "SELECT count(*) FROM members"},
                             Table{counts.sessions, "SELECT count(*) FROM sessions"},
                             Table{counts.links, "SELECT count(*) FROM links"},
                             Table{counts.signing_keys, "SELECT count(*) FROM signing_keys"}}) {
    auto count = connection.query_integer(table.sql);
    if (!count) return count.error();
    table.count = *count;
  }
  return counts;
}

Error at(const std::filesystem::path& file, Error error) {
  if (error.message.find(file.native()) == std::string::npos) {
    error.message = fmt::format("{}: {}", quoted(file.native()), error.message);
  }
  return error;
}

/// Makes the copy a policy database of our schema; how many migrations that took.
Result<int> bring_up(db::Connection& copy, const std::filesystem::path& file) {
  if (auto whole = check_whole(copy, file); !whole) return at(file, whole.error());
  auto id = copy.query_integer("PRAGMA application_id");
  if (!id) return at(file, id.error());
  // An empty file would be taken for a database to be made.
  if (*id != kApplicationId) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} is no backup of a grantfs policy database (application_id {})",
                             quoted(file.native()), *id)};
  }
  return migrate_schema(copy, file, schema_migrations());
}

/// The database in place, which must be one of ours or not be there.
Result<db::Connection> open_live(const std::filesystem::path& database) {
  struct stat status = {};
  if (::stat(database.c_str(), &status) != 0 && errno == ENOENT) {
    if (auto made = init_database(database); !made) return made.error();
  }
  auto live = open_for_changing(database);
  if (!live) return live;
  auto id = live->query_integer("PRAGMA application_id");
  if (!id) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}; if it is beyond repair, stop the daemon, move it and what lies "
                             "beside it (-wal, -shm) away, and restore again",
                             at(database, id.error()).message)};
  }
  if (*id == kApplicationId) return live;
  return Error{ErrorKind::kDatabase,
               fmt::format("{} is not a grantfs policy database (application_id {}); name another "
                           "one with --db",
                           quoted(database.native()), *id)};
}

Result<void> replace_contents_of(db::Connection& live, db::Connection& with,
                                 const std::filesystem::path& database) {
  if (auto noted = note_file(with, database); !noted) return noted.error();
  if (auto copied = copy_over(with, live, database); !copied) return at(database, copied.error());
  return {};
}

/// kConflict if the database in place is a copy. One that has no table `meta` any more is not.
Result<void> check_may_be_restored(db::Connection& live) {
  auto own = check_is_no_copy(live);
  if (!own && own.error().kind == ErrorKind::kConflict) return own;
  return {};
}

}  // namespace

Result<void> backup_database(const std::filesystem::path& database,
                             const std::filesystem::path& file) {
  struct stat status = {};
  if (::stat(file.c_str(), &status) == 0 && (!S_ISREG(status.st_mode) || is_same(file, database))) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is {}; name another file", quoted(file.native()),
                             S_ISREG(status.st_mode) ? "the database itself" : "no regular file")};
  }
  if (auto may = check_may_be_opened(database); !may) return may.error();
  auto live = db::Connection::open(database, db::Mode::kRead);
  if (!live) return live.error();
  if (auto fit = check_schema(*live, database); !fit) return fit.error();

  NewFile temporary(file);
  if (temporary.trouble()) return cannot("write", file, temporary.trouble());
  temporary.close();
  {
    auto copy = db::Connection::open(temporary.path(), db::Mode::kWrite);
    if (!copy) return copy.error();
    if (auto copied = copy_to_one_file(*live, *copy); !copied) return copied.error();
  }
  if (const auto failed = temporary.keep()) return cannot("write", file, failed);
  return {};
}

Result<RestoreOutcome> restore_database(const std::filesystem::path& database,
                                        const std::filesystem::path& file) {
  if (is_same(file, database)) {
    return Error{ErrorKind::kInvalid, fmt::format("{} is the database itself; name a backup of it",
                                                  quoted(file.native()))};
  }
  auto given = open_given(file);
  if (!given) return given.error();
  // In a temporary database that has no name (https://sqlite.org/inmemorydb.html).
  auto judged = db::Connection::open("", db::Mode::kCreate);
  if (!judged) return judged.error();
  if (auto copied = db::copy_database(*given, *judged, db::kBusyTimeout); !copied) {
    return at(file, copied.error());
  }
  RestoreOutcome outcome;
  auto migrations = bring_up(*judged, file);
  if (!migrations) return migrations.error();
  outcome.migrations = *migrations;
  outcome.knew_blank_paths =
      *migrations > 0 && current_schema_version() - *migrations < kFirstSchemaWithoutBlankPaths;

  // What was a copy of another database when it was backed up goes on by itself.
  if (auto own = remove_copy_mark(*judged); !own) return at(file, own.error());

  auto live = open_live(database);
  if (!live) return live.error();
  auto rows = count_rows(*judged);
  if (!rows) return at(file, rows.error());
  outcome.rows = *rows;
  if (auto changeable = check_may_be_restored(*live); !changeable) {
    return at(database, changeable.error());
  }
  if (auto replaced = replace_contents_of(*live, *judged, database); !replaced) {
    return replaced.error();
  }
  return outcome;
}

Result<void> replace_contents(db::Connection& with, const std::filesystem::path& database) {
  auto live = open_live(database);
  if (!live) return live.error();
  return replace_contents_of(*live, with, database);
}

}  // namespace grantfs
