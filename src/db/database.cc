#include "db/database.h"

#include <fmt/format.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "db/open_file.h"

namespace grantfs::db {
namespace {

constexpr int kLongestForeignValue = 64 * 1024;
constexpr int kLongestForeignPattern = 4200;

/// The library that is installed may be older than the one we were built with. STRICT tables are of
/// 3.37, unixepoch() is of 3.38; meson.build asks for it too.
constexpr int kOldestSqlite = 3'038'000;

Error database_error(sqlite3* handle) {
  const char* path = sqlite3_db_filename(handle, "main");
  return {ErrorKind::kDatabase,
          fmt::format("{}: {}", path == nullptr ? "SQLite" : path, sqlite3_errmsg(handle))};
}

/// As SQLite takes it (https://sqlite.org/uri.html), so that it believes that nobody changes it.
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
    return database_error(handle);
  }
  auto configured = connection.execute("PRAGMA mmap_size=0; PRAGMA cell_size_check=ON");
  if (configured && reads) configured = connection.execute("PRAGMA query_only=ON");
  if (!configured) return configured.error();
  return connection;
}

std::string without_path(const Error& error, const std::filesystem::path& database) {
  constexpr std::string_view kColon = ": ";
  std::error_code ignored;
  // SQLite names the file that it has opened: by an absolute path, and, since 3.39, the real one.
  for (const auto& path : {database, std::filesystem::absolute(database, ignored),
                           std::filesystem::weakly_canonical(database, ignored)}) {
    const std::string_view name = path.native();
    const std::string_view message = error.message;
    if (message.starts_with(name) && message.substr(name.size()).starts_with(kColon)) {
      return error.message.substr(name.size() + kColon.size());
    }
  }
  return error.message;
}

void Connection::set_busy_timeout(int milliseconds) {
  sqlite3_busy_timeout(handle_.get(), milliseconds);
}

Result<void> Connection::execute(const char* sql) {
  if (sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
    return database_error(handle_.get());
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
  if (result != SQLITE_OK) return database_error(handle_.get());
  if (auto own = check_own_names(undecided); !own) return own.error();
  const std::string_view unread(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
  if (handle == nullptr || unread.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
    return Error{ErrorKind::kDatabase, "not one SQL statement, but none or several"};
  }
  return statement;
}

Result<void> Connection::allow_only_reading() {
  std::vector<std::string> tables;
  sqlite3_set_authorizer(handle_.get(), nullptr, nullptr);  // for this statement of our own
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
    return database_error(handle_.get());
  }
  only_reading_ = std::make_unique<ReadingOnly>(tables);
  sqlite3_set_authorizer(handle_.get(), ReadingOnly::judge, only_reading_.get());
  // Functions of texts take time that grows with the square of their length, with no end to it in
  // between: 64 KiB and patterns as long as a path make that a second.
  sqlite3_limit(handle_.get(), SQLITE_LIMIT_LENGTH, kLongestForeignValue);
  sqlite3_limit(handle_.get(), SQLITE_LIMIT_LIKE_PATTERN_LENGTH, kLongestForeignPattern);
  return {};
}

Result<void> Connection::check_own_names(const std::set<std::string>& names) {
  for (const std::string& name : names) {
    std::string sql = "SELECT 1 FROM \"";
    for (const char c : name) sql.append(c == '"' ? 2 : 1, c);
    sql += '"';
    sqlite3_stmt* probe = nullptr;
    only_reading_->begin_statement();
    const int result = sqlite3_prepare_v2(handle_.get(), sql.c_str(), -1, &probe, nullptr);
    (void)only_reading_->end_statement();
    sqlite3_finalize(probe);
    const std::string_view said = sqlite3_errmsg(handle_.get());
    if (result == SQLITE_OK || !said.starts_with("no such table")) {
      return Error{ErrorKind::kDatabase,
                   fmt::format("not authorized: '{}' is no table or view of the database", name)};
    }
    only_reading_->accept(name);
  }
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

Result<void> copy_database(Connection& from, Connection& to, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{20};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  sqlite3_backup* copying =
      sqlite3_backup_init(to.handle_.get(), "main", from.handle_.get(), "main");
  if (copying == nullptr) return database_error(to.handle_.get());
  int result = SQLITE_OK;
  while (true) {
    result = sqlite3_backup_step(copying, -1);
    const bool locked = (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED;
    if (!locked || std::chrono::steady_clock::now() > deadline) break;
    std::this_thread::sleep_for(kPause);
  }
  const int finished = sqlite3_backup_finish(copying);
  if (result == SQLITE_DONE && finished == SQLITE_OK) return {};
  return Error{ErrorKind::kDatabase,
               fmt::format("cannot copy the database: {}",
                           sqlite3_errstr(finished != SQLITE_OK ? finished : result))};
}

Statement Preparer::operator()(std::string_view sql) {
  auto statement = connection_.prepare(sql);
  if (statement) return std::move(*statement);
  if (done_) done_ = statement.error();
  return {};
}

const std::uint32_t* Connection::map_wal_index() {
  // In any other mode, asking for the mapping would make a -shm file.
  auto statement = prepare("PRAGMA journal_mode");
  if (!statement) return nullptr;
  {
    Rows rows = statement->run();
    auto row = rows.next();
    if (!row || !*row || rows.text(0) != "wal") return nullptr;
  }
  sqlite3_file* file = nullptr;
  constexpr int kFirstWithSharedMemory = 2;  // sqlite3_io_methods.iVersion
  if (sqlite3_file_control(handle_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr ||
      file->pMethods->iVersion < kFirstWithSharedMemory) {
    return nullptr;
  }
  constexpr int kRegionBytes = 32768;  // the only size there is: WALINDEX_PGSZ in SQLite's wal.c
  void volatile* region = nullptr;
  if (file->pMethods->xShmMap(file, 0, kRegionBytes, 0, &region) != SQLITE_OK) return nullptr;
  return static_cast<const std::uint32_t*>(const_cast<void*>(region));
}

std::optional<CommitStamp> Connection::newest_commit() {
  if (wal_index_ == nullptr) wal_index_ = map_wal_index();
  if (wal_index_ == nullptr) return std::nullopt;
  // Two copies: a writer changes the second first, so readers begin with the first.
  const auto read_copy = [this](std::size_t copy) {
    CommitStamp stamp;
    for (std::size_t i = 0; i < stamp.size(); ++i) {
      stamp[i] = __atomic_load_n(wal_index_ + copy * stamp.size() + i, __ATOMIC_RELAXED);
    }
    return stamp;
  };
  const CommitStamp first = read_copy(0);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const CommitStamp second = read_copy(1);
  constexpr std::uint32_t kFormat = 3007000;
  if (first != second || first[0] != kFormat) return std::nullopt;
  return first;
}

bool only_restarted(const CommitStamp& before, const CommitStamp& after) {
  // Of the header: the change counter, the page size, the frames of the journal, the pages of the
  // database, the salts (https://sqlite.org/walformat.html, 2.1.1). A journal that was recovered
  // counts its changes anew, but has frames of another commit, or an emptied database's number.
  constexpr std::size_t kChanges = 2;
  constexpr std::size_t kPageSize = 3;
  constexpr std::size_t kFrames = 4;
  constexpr std::size_t kPages = 5;
  constexpr std::size_t kSalt = 8;
  return after[kFrames] == 0 && before[kChanges] == after[kChanges] &&
         before[kPageSize] == after[kPageSize] && before[kPages] == after[kPages] &&
         before[kSalt] != after[kSalt];
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(handle_.get());
}

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(handle_.get()) == 0;
}

Rows::~Rows() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
}

Result<bool> Rows::next() {
  const int result = bind_result_ == SQLITE_OK ? sqlite3_step(statement_) : bind_result_;
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return database_error(sqlite3_db_handle(statement_));
}

std::string_view Rows::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Rows::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

int Rows::columns() const {
  return sqlite3_column_count(statement_);
}

Type Rows::type(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_NULL:
      return Type::kNull;
    case SQLITE_INTEGER:
      return Type::kInteger;
    case SQLITE_TEXT:
      return Type::kText;
    case SQLITE_FLOAT:
      return Type::kReal;
    default:
      return Type::kBlob;
  }
}

bool Rows::is_null(int column) const {
  return type(column) == Type::kNull;
}

std::optional<std::int64_t> Rows::maybe_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

Rows Statement::run_with(std::span<const std::string_view> texts) {
  int result = SQLITE_OK;
  for (std::size_t i = 0; i < texts.size() && result == SQLITE_OK; ++i) {
    result = bind(static_cast<int>(i) + 1, texts[i]);
  }
  return Rows(handle_.get(), result);
}

std::vector<std::string> Statement::parameters() const {
  std::vector<std::string> names;
  for (int i = 1; i <= sqlite3_bind_parameter_count(handle_.get()); ++i) {
    const char* name = sqlite3_bind_parameter_name(handle_.get(), i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

bool Statement::is_read_only() const {
  return sqlite3_stmt_readonly(handle_.get()) != 0;
}

std::vector<std::string> Statement::columns() const {
  std::vector<std::string> names;
  for (int i = 0; i < sqlite3_column_count(handle_.get()); ++i) {
    const char* name = sqlite3_column_name(handle_.get(), i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

int Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL, where an empty text is meant.
  return sqlite3_bind_text64(handle_.get(), index, text.data() == nullptr ? "" : text.data(),
                             text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

int Statement::bind(int index, std::int64_t value) {
  return sqlite3_bind_int64(handle_.get(), index, value);
}

int Statement::bind(int index, const std::optional<std::int64_t>& value) {
  return value ? bind(index, *value) : sqlite3_bind_null(handle_.get(), index);
}

Result<Transaction> Transaction::begin(Connection& connection, Kind kind) {
  auto begun = connection.execute(kind == Kind::kWrite ? "BEGIN IMMEDIATE" : "BEGIN");
  if (!begun) return begun.error();
  return Transaction(connection);
}

Transaction::~Transaction() {
  // Some errors (SQLITE_FULL, SQLITE_IOERR) have rolled back already.
  if (connection_ != nullptr && connection_->in_transaction()) {
    (void)connection_->execute("ROLLBACK");
  }
}

Result<void> Transaction::commit() {
  auto committed = connection_->execute("COMMIT");
  if (committed) connection_ = nullptr;
  return committed;
}

}  // namespace grantfs::db
