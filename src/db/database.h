#pragma once

#include <sqlite3.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "db/reading_only.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// How a connection is opened. Every connection has trusted_schema off, DEFENSIVE on, memory
/// mapping off (a truncated database would be SIGBUS) and foreign code (extensions) refused.
enum class Mode {
  kRead,            ///< read-only, and query_only besides
  kReadUnchanging,  ///< the same of the file alone, as it is: no -wal, no locks, nothing is made
  kWrite,           ///< the file must exist
  kCreate,          ///< creates the file, mode as the umask allows
  kCreateNoFollow,  ///< the same, and no symbolic link is on the way to it
};

/// How SQLite stores a value (datatype3.html).
enum class Type { kNull, kInteger, kReal, kText, kBlob };

class Connection;
class Statement;

/// What the newest commit of a WAL database is known by: the header of the WAL-index, whose change
/// counter, salts and checksums every commit changes (https://sqlite.org/walformat.html, 2.1.1).
using CommitStamp = std::array<std::uint32_t, 12>;

/// Whether nothing was committed between the two, and only the journal begun anew after a
/// checkpoint: a writer does so first of all, well before it commits, so that whoever looks in
/// between finds another header and the same contents (walRestartHdr() in SQLite's wal.c).
bool only_restarted(const CommitStamp& before, const CommitStamp& after);

/// A connection to one database file. Movable; one thread at a time.
class Connection {
 public:
  static Result<Connection> open(const std::string& path, Mode mode);

  /// Waits up to `milliseconds` for another process's lock.
  void set_busy_timeout(int milliseconds);
  /// Runs SQL that returns no rows; may be several statements.
  Result<void> execute(const char* sql);
  /// Exactly one statement. A name in double quotes is never taken for a text.
  Result<Statement> prepare(std::string_view sql);
  /// From now on only what ReadingOnly lets through is prepared, of the tables and views that the
  /// database has now; virtual tables are of no use any more; and no value is longer than 64 KiB.
  /// For SQL and schemas that are not our own, where one call of a function could take minutes and
  /// the machine's memory. To be called again when the schema has changed; no use after an error.
  Result<void> allow_only_reading();
  /// What runs longer than this from now on is interrupted, with an error. Looked at between
  /// instructions of SQLite's: costs one reading of the clock, and one for every 1,000 of them.
  void limit_time(std::chrono::milliseconds limit);
  /// First column of the first row, for PRAGMAs and counts; kNotFound if there is no row.
  Result<std::int64_t> query_integer(std::string_view sql);
  /// Rows changed by the last INSERT, UPDATE or DELETE.
  std::int64_t changes() const;
  bool in_transaction() const;
  friend Result<void> copy_database(Connection& from, Connection& to,
                                    std::chrono::milliseconds patience);
  /// Of the newest commit there is, by whatever process. If it is the same as before, nothing was
  /// committed in between: what SQLite goes by too, but without a system call. None if that cannot
  /// be told: while a commit is being written, or where the journal is not a WAL.
  std::optional<CommitStamp> newest_commit();

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  explicit Connection(sqlite3* handle) : handle_(handle) {}

  /// That none of the names that a statement reads of, and that are no tables of this database, is
  /// one to SQLite.
  Result<void> check_own_names(const std::set<std::string>& names);
  /// SQLite's own mapping of the WAL-index; null if there is none.
  const std::uint32_t* map_wal_index();

  // Before the handle, which points to them.
  std::unique_ptr<std::chrono::steady_clock::time_point> deadline_;
  std::unique_ptr<ReadingOnly> only_reading_;  ///< none before allow_only_reading()
  std::unique_ptr<sqlite3, Close> handle_;
  const std::uint32_t* wal_index_ = nullptr;
};

/// Makes `to` what `from` is as of its newest commit, in one transaction of each
/// (sqlite3_backup_init); whatever `to` was is replaced. If either is locked by another, waits for
/// `patience` at most. `to` must have pages of the same size if it has a write-ahead log.
Result<void> copy_database(Connection& from, Connection& to, std::chrono::milliseconds patience);

/// What an error of a connection says, but for the path of the database that it begins with: for a
/// message that has named it already.
std::string without_path(const Error& error, const std::filesystem::path& database);

/// The rows of a statement under way. Resets the statement when it goes, which ends the read.
/// Values are views into SQLite's memory, good until the next call of next().
class Rows {
 public:
  explicit Rows(sqlite3_stmt* statement, int bind_result)
      : statement_(statement), bind_result_(bind_result) {}
  ~Rows();
  Rows(Rows&& other) noexcept : statement_(other.statement_), bind_result_(other.bind_result_) {
    other.statement_ = nullptr;
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  Rows& operator=(Rows&&) = delete;

  /// Steps. True: a row is there to read. False: no more.
  Result<bool> next();

  /// How many there are in the row at hand: SQLite prepares anew when the schema has changed.
  int columns() const;
  Type type(int column) const;
  /// A value of any type but NULL as text.
  std::string_view text(int column) const;
  std::int64_t integer(int column) const;
  bool is_null(int column) const;
  /// NULL is none.
  std::optional<std::int64_t> maybe_integer(int column) const;

 private:
  sqlite3_stmt* statement_;
  int bind_result_;
};

/// A prepared statement, for repeated use. It must not outlive its connection's use.
class Statement {
 public:
  /// None; only assignment makes it of use.
  Statement() = default;

  /// Binds all parameters in order and hands out the rows. Text must stay alive as long as the
  /// Rows do: it is not copied. One Rows at a time.
  template <class... Arguments>
  Rows run(const Arguments&... arguments) {
    int result = SQLITE_OK;
    int index = 0;
    ((result = result == SQLITE_OK ? bind(++index, arguments) : result), ...);
    return Rows(handle_.get(), result);
  }

  /// run(), for statements that return nothing.
  template <class... Arguments>
  Result<void> execute(const Arguments&... arguments) {
    Rows rows = run(arguments...);
    auto row = rows.next();
    if (!row) return row.error();
    return {};
  }

  /// run(), with a text for each parameter, in the order of parameters().
  Rows run_with(std::span<const std::string_view> texts);
  /// The names of its parameters, each with the sign before it; empty for one without a name.
  std::vector<std::string> parameters() const;

  /// Whether it changes no database (sqlite3_stmt_readonly).
  bool is_read_only() const;
  /// The names of the columns of its result.
  std::vector<std::string> columns() const;

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  int bind(int index, std::string_view text);
  int bind(int index, std::int64_t value);
  int bind(int index, const std::optional<std::int64_t>& value);

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// Prepares several statements of a connection; the first error counts for all.
class Preparer {
 public:
  explicit Preparer(Connection& connection) : connection_(connection) {}

  /// One of no use after an error.
  Statement operator()(std::string_view sql);
  /// The first error.
  const Result<void>& done() const { return done_; }

 private:
  Connection& connection_;
  Result<void> done_;
};

/// A transaction that rolls back unless commit() was reached.
class Transaction {
 public:
  enum class Kind {
    kRead,   ///< one snapshot for several statements, taken at the first of them
    kWrite,  ///< BEGIN IMMEDIATE: the write lock now, not halfway
  };
  static Result<Transaction> begin(Connection& connection, Kind kind);
  ~Transaction();
  Transaction(Transaction&& other) noexcept : connection_(other.connection_) {
    other.connection_ = nullptr;
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  Transaction& operator=(Transaction&&) = delete;

  Result<void> commit();

 private:
  explicit Transaction(Connection& connection) : connection_(&connection) {}

  Connection* connection_;
};

}  // namespace grantfs::db
