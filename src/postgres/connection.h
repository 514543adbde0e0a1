#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/result.h"
#include "postgres/answer.h"

// A type of libpq's own. Nothing outside this folder includes libpq.
struct pg_conn;  // NOLINT(readability-identifier-naming)

/// PostgreSQL by RAII. Errors are values of the kind kDatabase whose messages are one line, name
/// the database as Connection::name() does, and hold no password and no value of a row.
namespace grantfs::postgres {

/// The oldest version of the server that is served, as PQserverVersion() counts.
inline constexpr int kOldestServer = 140000;

/// Whether the text names a PostgreSQL database: it begins with postgresql:// or postgres://.
inline bool is_uri(std::string_view text) {
  return text.starts_with("postgresql://") || text.starts_with("postgres://");
}

/// Whether the URI holds a password. A process list and a shell's history show it to others. An
/// error if the text is no connection string.
Result<bool> has_password(const std::string& where);

/// How a connection is opened.
struct Settings {
  /// How the server shows it to others, unless the connection string or $PGAPPNAME says otherwise.
  std::string application_name = "grantfs";
  /// Statements wait this long for a lock at most; 0: without end.
  std::chrono::milliseconds lock_timeout{0};
  /// A walsender for logical replication (replication=database), which takes statements without
  /// parameters only.
  bool replication = false;
};

/// A parameter of a statement as text; none is NULL.
using Value = std::optional<std::string_view>;

/// What the server said of the statement that failed last.
struct Failure {
  std::string sqlstate;    ///< five characters; empty: the connection failed
  std::string message;     ///< the server's first line, in its language
  std::string constraint;  ///< the name of the constraint that refused a row; empty: none
  std::string table;
  std::string column;

  /// The same transaction may succeed when it is run again: serialization failure or deadlock.
  bool may_be_retried() const { return sqlstate == "40001" || sqlstate == "40P01"; }
  /// The lock was held by another for longer than Settings::lock_timeout.
  bool is_lock_timeout() const { return sqlstate == "55P03"; }
};

/// A connection to one database. Movable; one thread at a time. The session has client_encoding
/// UTF8, search_path "grantfs, pg_temp" (so an unqualified name is a table of ours, or one made
/// temporary by us), and bytea_output hex. A peer that is gone is noticed within 30 seconds, unless
/// the connection string says otherwise.
class Connection {
 public:
  /// `where`: a URI (postgresql:// or postgres://), or libpq's "key=value ..."; both may name a
  /// service. What it leaves out comes from the service, the environment (PGHOST and its like) and
  /// ~/.pgpass, as with psql. kInvalid for a text that is no connection string; kDatabase if the
  /// server cannot be reached, refuses us, or is older than kOldestServer.
  static Result<Connection> open(const std::string& where, const Settings& settings = {});

  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;

  /// The database without password or options: "postgresql://user@host:port/database".
  const std::string& name() const { return name_; }
  /// As PQserverVersion(): 150003 is 15.3.
  int server_version() const;

  /// One statement, with $1 and so on for its parameters. The types of parameters are those that
  /// the server infers.
  Result<Answer> query(const std::string& sql, std::span<const Value> parameters = {});
  /// SQL without parameters, also for a walsender. May be several statements: the last one's
  /// answer.
  Result<Answer> command(const std::string& sql);
  /// The same, of which no rows are needed.
  Result<void> execute(const std::string& sql);

  /// Calls `take(row)` for each row as it arrives, without keeping them: row 0 of each Answer. No
  /// other statement may run meanwhile. An error that `take` returns cancels the statement, and is
  /// returned.
  Result<void> for_each(const std::string& sql, std::span<const Value> parameters,
                        const std::function<Result<void>(const Answer& row)>& take);

  /// Runs COPY ... TO STDOUT, and calls `take(line)` for each row: a view, good for this call. An
  /// error that `take` returns cancels the statement, and is returned.
  Result<void> copy_out(const std::string& sql,
                        const std::function<Result<void>(std::string_view)>& take);

  /// Begins COPY ... FROM STDIN: then put_copy_data() any number of times, and end_copy_in(), which
  /// returns how many rows came in, or abort_copy_in(), which has the server refuse all of them.
  Result<void> begin_copy_in(const std::string& sql);
  Result<void> put_copy_data(std::string_view bytes);
  Result<std::int64_t> end_copy_in();
  void abort_copy_in();

  /// Runs an INSERT, UPDATE or DELETE `count` times, with the parameters that `give(row)` says,
  /// without waiting for each (libpq's pipeline mode). Returns how many rows they changed together.
  Result<std::int64_t> change_each(
      const std::string& sql, std::size_t count,
      const std::function<std::span<const Value>(std::size_t row)>& give);

  /// What failed last: good after an error of this connection.
  const Failure& failure() const { return failure_; }
  /// False once the connection is lost; then nothing but a new one helps.
  bool is_alive() const;

  /// Tells the server to stop the statement under way, which then fails. Waits for an answer.
  void cancel();

  // For this folder's other files.

  pg_conn* handle() const { return handle_.get(); }
  /// The error that the connection met last, outside of the methods above.
  Error last_error();
  /// What the server said of a statement that failed; last_error() if it said nothing.
  Error error_of(const Answer& answer);

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };
  Connection(pg_conn* handle, std::string name) : handle_(handle), name_(std::move(name)) {}

  Result<void> prepare_session(const Settings& settings);
  /// Ends what the connection is doing: cancels it, and drops what arrives.
  void abandon();
  /// Runs rows `begin` to `end` of change_each(), and adds to `changed`.
  Result<void> change_some(std::size_t begin, std::size_t end,
                           const std::function<std::span<const Value>(std::size_t row)>& give,
                           std::int64_t& changed);
  /// Takes results until there are no more: the first error, or the last good one's count.
  Result<std::int64_t> drain();

  std::unique_ptr<pg_conn, Finish> handle_;
  std::string name_;
  Failure failure_;
};

}  // namespace grantfs::postgres
