#include "policy/changes/sqlite_engine.h"

#include <fmt/core.h>

#include "db/error.h"
#include "db/rows.h"
#include "db/statement.h"
#include "policy/schema/copy_mark.h"

namespace grantfs {
namespace {

class SqliteRow : public ChangeRow {
 public:
  explicit SqliteRow(const db::Rows& rows) : rows_(rows) {}

  int columns() const override { return rows_.columns(); }
  std::string_view text(int column) const override { return rows_.text(column); }
  std::int64_t integer(int column) const override { return rows_.integer(column); }
  bool is_null(int column) const override { return rows_.is_null(column); }
  Secret blob(int column) const override { return Secret(rows_.text(column)); }

 private:
  const db::Rows& rows_;
};

class SqliteStatement : public ChangeStatement {
 public:
  SqliteStatement(db::Connection& connection, db::Statement statement)
      : connection_(connection), statement_(std::move(statement)) {}

  Result<void> for_each(std::span<const Parameter> parameters, const TakeRow& take) override {
    db::Rows rows = statement_.run_with(parameters);
    const SqliteRow view(rows);
    while (true) {
      auto row = rows.next();
      if (!row) return row.error();
      if (!*row) return {};
      if (auto taken = take(view); !taken) return taken.error();
    }
  }

  Result<std::int64_t> change(std::span<const Parameter> parameters) override {
    db::Rows rows = statement_.run_with(parameters);
    auto row = rows.next();
    if (!row) return row.error();
    return connection_.changes();
  }

  Result<std::int64_t> change_each(const std::vector<std::vector<Parameter>>& rows) override {
    std::int64_t sum = 0;
    for (const auto& parameters : rows) {
      auto changed = change(parameters);
      if (!changed) return changed;
      sum += *changed;
    }
    return sum;
  }

 private:
  db::Connection& connection_;
  db::Statement statement_;
};

}  // namespace

Result<void> SqliteEngine::begin(Transaction kind) {
  const bool writes = kind == Transaction::kWrite;
  auto begun = db::Transaction::begin(
      connection_, writes ? db::Transaction::Kind::kWrite : db::Transaction::Kind::kRead);
  if (!begun) return begun.error();
  transaction_.emplace(std::move(*begun));
  if (!writes) return {};
  auto own = check_is_no_copy(connection_);
  if (!own) roll_back();
  return own;
}

Result<void> SqliteEngine::commit() {
  auto committed = transaction_->commit();
  if (committed) transaction_.reset();
  return committed;
}

void SqliteEngine::roll_back() {
  transaction_.reset();
}

bool SqliteEngine::is_worth_another_try(int /*attempt*/) {
  return false;  // the write lock was waited for before the transaction began
}

Result<std::unique_ptr<ChangeStatement>> SqliteEngine::prepare(std::string_view sql) {
  auto statement = connection_.prepare(sql);
  if (!statement) return statement.error();
  return std::unique_ptr<ChangeStatement>(
      std::make_unique<SqliteStatement>(connection_, std::move(*statement)));
}

Error SqliteEngine::named(const Error& error) const {
  if (error.kind != ErrorKind::kDatabase) return error;
  // SQLite's errors (db/error.h) begin with the name already; errors about a row do not.
  return {error.kind,
          fmt::format("{}: {}", database_.string(), db::without_path(error, database_))};
}

Result<void> SqliteEngine::make_temporary(const TemporaryTable& table) {
  return connection_.execute(
      fmt::format("CREATE TEMP TABLE {} ({}) WITHOUT ROWID", table.name, table.columns).c_str());
}

void SqliteEngine::drop_temporary(const TemporaryTable& table) {
  (void)connection_.execute(fmt::format("DROP TABLE temp.{}", table.name).c_str());
}

Result<Engine*> SqliteEngine::staging() {
  // Rows come in any order, so the b-trees that take them should fit into memory. 256 MiB are a
  // ceiling, which a million rows do not reach.
  auto room =
      connection_.execute("PRAGMA main.cache_size = -262144; PRAGMA temp.cache_size = -262144");
  if (!room) return room.error();
  return this;
}

Result<void> SqliteEngine::take_staged(std::span<const TemporaryTable> /*tables*/) {
  return {};
}

}  // namespace grantfs
