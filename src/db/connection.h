#pragma once

#include <sqlite3.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "db/reading_only.h"
#include "db/statement.h"
#include "db/wal_index.h"
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

/// How long a statement waits for a lock of another process, unless set_busy_timeout() says
/// otherwise. SQLite alone would not wait, and even whoever ends the last connection to a database
/// locks it for a moment.
inline constexpr std::chrono::milliseconds kBusyTimeout{5000};

/// A connection to one database file. Movable; one thread at a time.
class Connection {
 public:
  static Result<Connection> open(const std::string& path, Mode mode);

  /// From now on a statement waits so long for a lock of another process.
  void set_busy_timeout(std::chrono::milliseconds timeout);
  /// Runs SQL that returns no rows; may be several statements.
  Result<void> execute(const char* sql);
  /// Exactly one statement. A name in double quotes is never taken for a text.
  Result<Statement> prepare(std::string_view sql);
  /// From now on the connection prepares only statements that ReadingOnly lets through, on the
  /// tables and views that the database has now. Virtual tables cannot be used any more, and no
  /// value is longer than 64 KiB. For SQL and schemas that are not our own, where one call of a
  /// function could take minutes and the machine's memory. To be called again when the schema has
  /// changed; no use after an error.
  Result<void> allow_only_reading();
  /// Interrupts, with an error, statements that run longer than this from now on. Costs one reading
  /// of the clock, and another for every 1,000 instructions of SQLite's.
  void limit_time(std::chrono::milliseconds limit);
  /// First column of the first row, for PRAGMAs and counts; kNotFound if there is no row.
  Result<std::int64_t> query_integer(std::string_view sql);
  /// Rows changed by the last INSERT, UPDATE or DELETE.
  std::int64_t changes() const;
  bool in_transaction() const;
  /// The newest commit, by any process. If it is the same as before, nothing was committed in
  /// between: SQLite compares the same thing, but this costs no system call. None if that cannot be
  /// told: while a commit is being written, or where the journal is not a WAL.
  std::optional<CommitStamp> newest_commit();

 private:
  friend Result<void> copy_database(Connection& from, Connection& to,
                                    std::chrono::milliseconds patience);
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  explicit Connection(sqlite3* handle) : handle_(handle) {}

  bool is_wal();

  // The order is that of lifetimes: what stands later points to what stands before it, and goes
  // first. The handle is given the address of the deadline (sqlite3_progress_handler()) and of what
  // may be read (sqlite3_set_authorizer()); the WAL-index lies in the handle's mapping.
  std::unique_ptr<std::chrono::steady_clock::time_point> deadline_;
  std::unique_ptr<ReadingOnly> only_reading_;  ///< none before allow_only_reading()
  std::unique_ptr<sqlite3, Close> handle_;
  std::optional<WalIndex> wal_index_;  ///< none before newest_commit()
};

}  // namespace grantfs::db
