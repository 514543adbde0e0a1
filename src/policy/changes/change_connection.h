#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "db/connection.h"
#include "db/error.h"
#include "db/rows.h"
#include "db/statement.h"
#include "db/transaction.h"
#include "grantfs/principal.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "policy/schema/copy_mark.h"

namespace grantfs {

/// A change waits for 5 seconds at most for a lock that another process holds.
inline constexpr int kChangeBusyTimeoutMilliseconds = 5000;

/// The connection by which a policy database is changed: it runs transactions and statements, and
/// its errors name the database. For one thread at a time.
class ChangeConnection {
 public:
  ChangeConnection(std::filesystem::path database, db::Connection connection, Clock clock)
      : database_(std::move(database)),
        connection_(std::move(connection)),
        clock_(std::move(clock)) {}
  ChangeConnection(const ChangeConnection&) = delete;
  ChangeConnection& operator=(const ChangeConnection&) = delete;

  Timestamp now() const { return clock_(); }

  /// Runs `change()`, which returns a Result, in one write transaction. A Result without an error
  /// commits; an error rolls back.
  template <class Change>
  auto write(Change change) -> decltype(change()) {
    return transact(db::Transaction::Kind::kWrite, std::move(change));
  }
  /// Runs `query()`, which returns a Result, on one snapshot.
  template <class Query>
  auto read(Query query) -> decltype(query()) {
    return transact(db::Transaction::Kind::kRead, std::move(query));
  }

  Result<db::Statement> prepare(std::string_view sql) { return connection_.prepare(sql); }

  /// Runs one INSERT, UPDATE or DELETE, and returns how many rows it changed.
  template <class... Arguments>
  Result<std::int64_t> change(std::string_view sql, const Arguments&... arguments) {
    auto statement = connection_.prepare(sql);
    if (!statement) return statement.error();
    return change(*statement, arguments...);
  }
  template <class... Arguments>
  Result<std::int64_t> change(db::Statement& statement, const Arguments&... arguments) {
    if (auto done = statement.execute(arguments...); !done) return done.error();
    return connection_.changes();
  }

  /// Runs change() and adds the number of rows to `count`.
  template <class... Arguments>
  Result<void> count_change(std::int64_t& count, std::string_view sql,
                            const Arguments&... arguments) {
    auto changed = change(sql, arguments...);
    if (!changed) return changed.error();
    count += *changed;
    return {};
  }

  /// Calls `take(rows)`, which returns Result<void>, for each row of the query.
  template <class Take, class... Arguments>
  Result<void> for_each(std::string_view sql, Take take, const Arguments&... arguments) {
    auto statement = connection_.prepare(sql);
    if (!statement) return statement.error();
    db::Rows rows = statement->run(arguments...);
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) return {};
      if (auto taken = take(rows); !taken) return taken.error();
    }
  }

  Result<void> execute(const char* sql) { return connection_.execute(sql); }
  Result<std::int64_t> query_integer(std::string_view sql) {
    return connection_.query_integer(sql);
  }

  /// The error with the database's name once, in front. SQLite's errors (db/error.h) begin with
  /// that name already; errors about a row do not.
  Error named(const Error& error) const {
    if (error.kind != ErrorKind::kDatabase) return error;
    return {error.kind,
            fmt::format("{}: {}", database_.string(), db::without_path(error, database_))};
  }

 private:
  template <class Body>
  auto transact(db::Transaction::Kind kind, Body body) -> decltype(body()) {
    auto transaction = db::Transaction::begin(connection_, kind);
    if (!transaction) return named(transaction.error());
    if (kind == db::Transaction::Kind::kWrite) {
      if (auto own = check_is_no_copy(connection_); !own) return own.error();
    }
    auto result = body();
    if (!result) return named(result.error());
    if (auto committed = transaction->commit(); !committed) return named(committed.error());
    return result;
  }

  std::filesystem::path database_;
  db::Connection connection_;
  Clock clock_;
};

/// These read columns. They return kDatabase if another program wrote a row past the schema's
/// constraints.
Result<Principal> principal_column(const db::Rows& rows, int column);
Result<StorePath> path_column(const db::Rows& rows, int column);
Expiry expiry_column(const db::Rows& rows, int column);

}  // namespace grantfs
