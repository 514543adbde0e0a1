#pragma once

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "grantfs/principal.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "policy/changes/engine.h"

namespace grantfs {

/// The connection by which a policy is changed: it runs transactions and statements, and its errors
/// name the database. For one thread at a time.
class ChangeConnection {
 public:
  ChangeConnection(std::unique_ptr<Engine> engine, Clock clock)
      : engine_(std::move(engine)), clock_(std::move(clock)) {}
  ChangeConnection(const ChangeConnection&) = delete;
  ChangeConnection& operator=(const ChangeConnection&) = delete;

  /// From now on write() undoes what it has done, once all of it has succeeded.
  void rehearse() { is_rehearsal_ = true; }

  Timestamp now() const { return clock_(); }
  Engine& engine() { return *engine_; }

  /// Runs `change()`, which returns a Result, in one write transaction. A Result without an error
  /// commits; an error rolls back. With PostgreSQL, `change` runs again if others got in its way.
  template <class Change>
  auto write(Change change) -> decltype(change()) {
    return transact(Engine::Transaction::kWrite, std::move(change));
  }
  /// Runs `query()`, which returns a Result, on one snapshot.
  template <class Query>
  auto read(Query query) -> decltype(query()) {
    return transact(Engine::Transaction::kRead, std::move(query));
  }

  Result<std::unique_ptr<ChangeStatement>> prepare(std::string_view sql) {
    return engine_->prepare(sql);
  }

  /// Runs one INSERT, UPDATE or DELETE, and returns how many rows it changed.
  template <class... Arguments>
  Result<std::int64_t> change(std::string_view sql, const Arguments&... arguments) {
    auto statement = engine_->prepare(sql);
    if (!statement) return statement.error();
    return change(**statement, arguments...);
  }
  template <class... Arguments>
  Result<std::int64_t> change(ChangeStatement& statement, const Arguments&... arguments) {
    const std::array<Parameter, sizeof...(arguments)> parameters{parameter(arguments)...};
    return statement.change(parameters);
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

  /// Calls `take(row)`, which returns Result<void>, for each row of the query. It runs no other
  /// statement.
  template <class... Arguments>
  Result<void> for_each(std::string_view sql, const TakeRow& take, const Arguments&... arguments) {
    auto statement = engine_->prepare(sql);
    if (!statement) return statement.error();
    return for_each(**statement, take, arguments...);
  }
  template <class... Arguments>
  Result<void> for_each(ChangeStatement& statement, const TakeRow& take,
                        const Arguments&... arguments) {
    const std::array<Parameter, sizeof...(arguments)> parameters{parameter(arguments)...};
    return statement.for_each(parameters, take);
  }

  /// The first column of the only row.
  Result<std::int64_t> query_integer(std::string_view sql) {
    std::int64_t value = 0;
    auto done = for_each(sql, [&](const ChangeRow& row) -> Result<void> {
      value = row.integer(0);
      return {};
    });
    if (!done) return done.error();
    return value;
  }

  /// The error with the database's name once, in front.
  Error named(const Error& error) const { return engine_->named(error); }

 private:
  /// Rolls back a transaction that was not committed, whatever ends its scope.
  class Guard {
   public:
    explicit Guard(Engine& engine) : engine_(&engine) {}
    ~Guard() {
      if (engine_ != nullptr) engine_->roll_back();
    }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    void release() { engine_ = nullptr; }

   private:
    Engine* engine_;
  };

  template <class Body>
  auto transact(Engine::Transaction kind, Body body) -> decltype(body()) {
    for (int attempt = 1;; ++attempt) {
      if (auto begun = engine_->begin(kind); !begun) return named(begun.error());
      Guard guard(*engine_);
      auto result = body();
      std::optional<Error> error;
      if (!result) {
        error = result.error();
      } else if (is_rehearsal_ && kind == Engine::Transaction::kWrite) {
        return result;  // the guard rolls back
      } else if (auto committed = engine_->commit(); !committed) {
        error = committed.error();
      } else {
        guard.release();
        return result;
      }
      const bool others = kind == Engine::Transaction::kWrite &&
                          error->kind == ErrorKind::kDatabase &&
                          engine_->is_worth_another_try(attempt);
      if (!others) return named(*error);
    }
  }

  std::unique_ptr<Engine> engine_;
  Clock clock_;
  bool is_rehearsal_ = false;
};

/// These read columns. They return kDatabase if another program wrote a row past the schema's
/// constraints.
Result<Principal> principal_column(const ChangeRow& row, int column);
Result<StorePath> path_column(const ChangeRow& row, int column);
Expiry expiry_column(const ChangeRow& row, int column);

}  // namespace grantfs
