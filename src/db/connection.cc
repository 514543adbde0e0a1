#include "db/connection.h"

#include <fmt/core.h>

#include <cstring>
#include <filesystem>
#include <set>
#include <vector>

#include "db/error.h"
#include "db/open_file.h"

namespace grantfs::db {
namespace {

constexpr int kLongestForeignValue = 64 * 1024;
constexpr int kLongestForeignPattern = 4200;

/// The oldest SQLite that will do, 3.39, which meson.build asks for too. The installed library may
/// be older than the one that the program was built with. STRICT tables came with 3.37, unixepoch()
/// with 3.38, IS NOT DISTINCT FROM with 3.39.
constexpr int kOldestSqlite = 3'039'000;

/// The path as a URI that tells SQLite that nobody changes the file (https://sqlite.org/uri.html).
std::string unchanging(const std::string& path) {
  std::string uri = "file:";
  const std::filesystem::path absolute = std::filesystem::absolute(path);
  for (const char c : absolute.native()) {
    if (c == '%' || c == '?' || c == '#') {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    } else {
      uri += c;
    }
  }
  return uri + "?immutable=1";
}

}  // namespace

Result<Connection> Connection::open(const std::string& path, Mode mode) {
  if (sqlite3_libversion_number() < kOldestSqlite) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("SQLite {} is too old: grantfs needs {}.{} or newer; upgrade the library "
                    "that is installed (libsqlite3)",
                    sqlite3_libversion(), kOldestSqlite / 1'000'000, kOldestSqlite / 1000 % 1000)};
  }
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (mode) {
    case Mode::kRead:
      flags |= SQLITE_OPEN_READONLY;
      break;
    case Mode::kReadUnchanging:
      flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
      break;
    case Mode::kWrite:
      flags |= SQLITE_OPEN_READWRITE;
      break;
    case Mode::kCreate:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
    case Mode::kCreateNoFollow:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW;
      break;
  }
  use_own_open();
  sqlite3* handle = nullptr;
  const bool reads = mode == Mode::kRead || mode == Mode::kReadUnchanging;
  const std::string name = mode == Mode::kReadUnchanging ? unchanging(path) : path;
  const int result = sqlite3_open_v2(name.c_str(), &handle, flags, nullptr);
  Connection connection(handle);  // SQLite wants even a failed handle closed
  if (result != SQLITE_OK) {
    const int why = sqlite3_system_errno(handle);
    return Error{ErrorKind::kDatabase,
                 fmt::format("cannot open {}: {}", path,
                             why != 0 ? std::strerror(why) : sqlite3_errstr(result))};
  }
  if (sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr) != SQLITE_OK ||
      sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr) != SQLITE_OK ||
      sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr) != SQLITE_OK ||
      sqlite3_db_config(handle, SQLITE_DBCONFIG_DQS_DML, 0, nullptr) != SQLITE_OK) {
    return last_error(handle);
  }
  connection.set_busy_timeout(kBusyTimeout);
  auto configured = connection.execute("PRAGMA mmap_size=0; PRAGMA cell_size_check=ON");
  if (configured && reads) configured = connection.execute("PRAGMA query_only=ON");
  if (!configured) return configured.error();
  return connection;
}

void Connection::set_busy_timeout(std::chrono::milliseconds timeout) {
  sqlite3_busy_timeout(handle_.get(), static_cast<int>(timeout.count()));
}

Result<void> Connection::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return last_error(handle_.get());
  }
  return {};
}

Result<Statement> Connection::prepare(std::string_view sql) {
  sqlite3_stmt* handle = nullptr;
  const char* rest = nullptr;
  if (only_reading_) only_reading_->begin_statement();
  const int result = sqlite3_prepare_v3(handle_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &handle, &rest);
  Statement statement(handle);
  const auto undecided = only_reading_ ? only_reading_->end_statement() : std::set<std::string>();
  if (result != SQLITE_OK) return last_error(handle_.get());
  if (only_reading_) {
    auto own = only_reading_->accept_own(handle_.get(), undecided);
    if (!own) return own.error();
  }
  const std::string_view unread(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
  if (handle == nullptr || unread.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return Error{ErrorKind::kDatabase, "not one SQL statement, but none or several"};
  }
  return statement;
}

Result<void> Connection::allow_only_reading() {
  std::vector<std::string> tables;
  sqlite3_set_authorizer(handle_.get(), nullptr, nullptr);  // none for our own query below
  only_reading_.reset();
  {
    // A virtual table has no pages (https://sqlite.org/schematab.html).
    auto statement = prepare(
        "SELECT name FROM sqlite_schema"
        " WHERE type = 'view' OR (type = 'table' AND rootpage > 0)");
    if (!statement) return statement.error();
    Rows rows = statement->run();
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) break;
      tables.emplace_back(rows.text(0));
    }
  }
  if (sqlite3_drop_modules(handle_.get(), nullptr) != SQLITE_OK) {
    return last_error(handle_.get());
  }
  only_reading_ = std::make_unique<ReadingOnly>(tables);
  sqlite3_set_authorizer(handle_.get(), ReadingOnly::judge, only_reading_.get());
  // Functions on texts take time that grows with the square of the texts' length, and cannot be
  // interrupted meanwhile. With texts of 64 KiB and patterns as long as a path, one call takes
  // about a second.
  sqlite3_limit(handle_.get(), SQLITE_LIMIT_LENGTH, kLongestForeignValue);
  sqlite3_limit(handle_.get(), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, kLongestForeignPattern);
  return {};
}

void Connection::limit_time(std::chrono::milliseconds limit) {
  const int instructions_between_looks = only_reading_ ? 20 : 1'000;
  using Clock = std::chrono::steady_clock;
  if (deadline_ == nullptr) {
    deadline_ = std::make_unique<Clock::time_point>();
    const auto is_over = [](void* deadline) {
      return Clock::now() > *static_cast<Clock::time_point*>(deadline) ? 1 : 0;
    };
    sqlite3_progress_handler(handle_.get(), instructions_between_looks, is_over, deadline_.get());
  }
  *deadline_ = Clock::now() + limit;
}

Result<std::int64_t> Connection::query_integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return statement.error();
  Rows rows = statement->run();
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return Error{ErrorKind::kNotFound, fmt::format("no row: {}", sql)};
  return rows.integer(0);
}

bool Connection::is_wal() {
  auto statement = prepare("PRAGMA journal_mode");
  if (!statement) return false;
  Rows rows = statement->run();
  auto row = rows.next();
  return row && *row && rows.text(0) == "wal";
}

std::optional<CommitStamp> Connection::newest_commit() {
  if (!wal_index_ && is_wal()) wal_index_ = WalIndex::of(handle_.get());
  return wal_index_ ? wal_index_->newest_commit() : std::nullopt;
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(handle_.get());
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

}  // namespace grantfs::db
