#include "follow/applier.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/quote.h"
#include "db/error.h"
#include "db/rows.h"
#include "db/statement.h"
#include "policy/schema/schema.h"

namespace grantfs::follow {
namespace {

using postgres::Lsn;
namespace pgoutput = postgres::pgoutput;
using Kind = pgoutput::Field::Kind;

/// Of different statements that are kept: an UPDATE has one for each set of columns that it sends.
constexpr std::size_t kMostStatements = 64;

Error contradicts(std::string message) {
  return {ErrorKind::kConflict, std::move(message)};
}

const Table* find_table(std::string_view schema, std::string_view name) {
  if (schema != kUpstreamSchema) return nullptr;
  const auto found = std::ranges::find(tables(), name, &Table::name);
  return found == tables().end() ? nullptr : &*found;
}

/// Which of our columns each of the relation's columns is; none unless it is the same table.
std::optional<std::vector<std::size_t>> match(const Table& table,
                                              const pgoutput::Relation& relation) {
  if (relation.columns.size() != table.columns.size()) return std::nullopt;
  std::vector<std::size_t> columns;
  for (const pgoutput::Column& theirs : relation.columns) {
    const auto ours = std::ranges::find(table.columns, theirs.name, &Column::name);
    if (ours == table.columns.end()) return std::nullopt;
    const auto index = static_cast<std::size_t>(ours - table.columns.begin());
    if (static_cast<std::uint32_t>(ours->type) != theirs.type) return std::nullopt;
    if (index == table.key && !theirs.is_key) return std::nullopt;
    if (std::ranges::find(columns, index) != columns.end()) return std::nullopt;
    columns.push_back(index);
  }
  return columns;
}

}  // namespace

Result<std::unique_ptr<Applier>> Applier::open(const std::filesystem::path& database) {
  auto connection = open_for_changing(database);
  if (!connection) return connection.error();
  // What is reported as durable must outlive a power cut, however SQLite was built.
  if (auto durable = connection->execute("PRAGMA synchronous = FULL"); !durable) {
    return durable.error();
  }
  if (auto fit = check_schema(*connection, database); !fit) {
    return contradicts(fit.error().message);
  }
  if (auto fit = check_tables(*connection, database); !fit) {
    return contradicts(fit.error().message);
  }
  auto mark = read_copy_mark(*connection);
  if (!mark) return contradicts(mark.error().message);
  if (!*mark) {
    return contradicts(fmt::format("{} is no copy of another database", quoted(database.native())));
  }
  const auto position = postgres::parse_lsn((*mark)->lsn);
  if (!position) return contradicts("the copy does not say how far it has come");
  auto opened = identify_database(database);
  if (!opened) return opened.error();
  std::unique_ptr<Applier> applier(new Applier(database, std::move(*connection), opened->database,
                                               std::move(**mark), *position, 0));
  auto revision = applier->read_revision();
  if (!revision) return revision.error();
  applier->revision_ = *revision;
  return applier;
}

Result<std::optional<Lsn>> Applier::apply(const pgoutput::Message& message) {
  auto taken = std::visit([this](const auto& each) { return take(each); }, message);
  if (!taken) {
    transaction_.reset();
    return taken.error();
  }
  if (const auto* commit = std::get_if<pgoutput::Commit>(&message)) return finish(*commit);
  return std::optional<Lsn>();
}

Result<void> Applier::take(const pgoutput::Begin& begin) {
  if (in_transaction_) {
    return Error{ErrorKind::kDatabase, "a transaction begins within another"};
  }
  in_transaction_ = true;
  skips_ = begin.commit_lsn < position_;
  return {};
}

Result<std::optional<Lsn>> Applier::finish(const pgoutput::Commit& commit) {
  if (!in_transaction_) {
    return Error{ErrorKind::kDatabase, "a transaction ends that has not begun"};
  }
  in_transaction_ = false;
  if (!transaction_) return std::optional(commit.end_lsn);
  const std::string lsn = postgres::lsn_text(commit.end_lsn);
  auto noted = write_copy_position(connection_, lsn);
  auto revision = read_revision();
  auto committed = !noted      ? noted
                   : !revision ? Result<void>(revision.error())
                               : transaction_->commit();
  transaction_.reset();
  if (!committed) return committed.error();
  revision_ = *revision;
  position_ = commit.end_lsn;
  mark_.lsn = lsn;
  return std::optional(commit.end_lsn);
}

Result<void> Applier::take(const pgoutput::Relation& relation) {
  const Table* const table = find_table(relation.schema, relation.name);
  if (table == nullptr) {
    return contradicts(
        fmt::format("the upstream publishes {}.{}, of which this version knows nothing",
                    printable(relation.schema), printable(relation.name)));
  }
  auto columns = match(*table, relation);
  if (!columns) {
    return contradicts(fmt::format(
        "the upstream's table {} has other columns than this version knows", table->name));
  }
  relations_[relation.id] = {table, std::move(*columns)};
  return {};
}

Result<const Applier::Known*> Applier::begin_change_of(std::uint32_t relation) {
  const auto found = relations_.find(relation);
  if (found == relations_.end()) {
    return Error{ErrorKind::kDatabase, "the upstream speaks of a table that it has not named"};
  }
  if (skips_) return nullptr;
  if (auto begun = begin_changes(); !begun) return begun.error();
  return &found->second;
}

Result<void> Applier::begin_changes() {
  if (transaction_) return {};
  if (!in_transaction_) {
    return Error{ErrorKind::kDatabase, "the upstream sends a change outside of a transaction"};
  }
  auto begun = db::Transaction::begin(connection_, db::Transaction::Kind::kWrite);
  if (!begun) return begun.error();
  transaction_.emplace(std::move(*begun));
  auto revision = read_revision();
  if (!revision) return revision.error();
  if (*revision == revision_) return {};
  return contradicts("somebody else has changed the copy");
}

Result<void> Applier::take(const pgoutput::Insert& insert) {
  auto begun = begin_change_of(insert.relation);
  if (!begun) return begun.error();
  const Known* const known = *begun;
  if (known == nullptr) return {};
  const Table& table = *known->table;
  if (insert.row.size() != known->columns.size()) {
    return Error{ErrorKind::kDatabase, "a row has another number of columns than its table"};
  }
  values_.clear();
  std::string names;
  std::string places;
  for (std::size_t i = 0; i < insert.row.size(); ++i) {
    const Column& column = table.columns[known->columns[i]];
    const pgoutput::Field& field = insert.row[i];
    if (field.kind == Kind::kUnchanged) {
      return Error{ErrorKind::kDatabase, "a new row lacks a value"};
    }
    if (auto added = add_value(table, column, field); !added) return added;
    names += fmt::format("{}{}", i == 0 ? "" : ", ", column.name);
    places += i == 0 ? "?" : ", ?";
  }
  return change_one(table,
                    fmt::format("INSERT INTO {} ({}) VALUES ({})", table.name, names, places));
}

Result<void> Applier::take(const pgoutput::Update& update) {
  auto begun = begin_change_of(update.relation);
  if (!begun) return begun.error();
  const Known* const known = *begun;
  if (known == nullptr) return {};
  const Table& table = *known->table;
  if (update.row.size() != known->columns.size()) {
    return Error{ErrorKind::kDatabase, "a row has another number of columns than its table"};
  }
  values_.clear();
  std::string sets;
  for (std::size_t i = 0; i < update.row.size(); ++i) {
    const Column& column = table.columns[known->columns[i]];
    const pgoutput::Field& field = update.row[i];
    if (field.kind == Kind::kUnchanged) continue;
    if (auto added = add_value(table, column, field); !added) return added;
    sets += fmt::format("{}{} = ?", sets.empty() ? "" : ", ", column.name);
  }
  if (!add_key(*known, update.before.value_or(update.row)) || sets.empty()) {
    return about(table, {ErrorKind::kDatabase, "a change does not say of which row"});
  }
  return change_one(table, fmt::format("UPDATE {} SET {} WHERE {} = ?", table.name, sets,
                                       table.columns[table.key].name));
}

Result<void> Applier::take(const pgoutput::Delete& deleted) {
  auto begun = begin_change_of(deleted.relation);
  if (!begun) return begun.error();
  const Known* const known = *begun;
  if (known == nullptr) return {};
  const Table& table = *known->table;
  values_.clear();
  if (!add_key(*known, deleted.before)) {
    return about(table, {ErrorKind::kDatabase, "a change does not say of which row"});
  }
  return change_one(
      table, fmt::format("DELETE FROM {} WHERE {} = ?", table.name, table.columns[table.key].name));
}

Result<void> Applier::take(const pgoutput::Truncate& truncate) {
  for (const std::uint32_t relation : truncate.relations) {
    auto begun = begin_change_of(relation);
    if (!begun) return begun.error();
    const Known* const known = *begun;
    if (known == nullptr) return {};
    // Row by row, so that the triggers tell what was lost.
    const std::string sql = fmt::format("DELETE FROM {}", known->table->name);
    if (auto emptied = connection_.execute(sql.c_str()); !emptied) {
      return about(*known->table, emptied.error());
    }
  }
  return {};
}

Result<void> Applier::add_value(const Table& table, const Column& column,
                                const pgoutput::Field& field) {
  if (field.kind == Kind::kNull) {
    values_.add_null();
  } else if (!values_.add(column.type, field.text)) {
    return about(table, {ErrorKind::kDatabase, "a value is none of its type"});
  }
  return {};
}

bool Applier::add_key(const Known& known, const pgoutput::Row& row) {
  if (row.size() != known.columns.size()) return false;
  const auto at = std::ranges::find(known.columns, known.table->key) - known.columns.begin();
  const pgoutput::Field& field = row[static_cast<std::size_t>(at)];
  return field.kind == Kind::kText &&
         values_.add(known.table->columns[known.table->key].type, field.text);
}

Result<void> Applier::change_one(const Table& table, const std::string& sql) {
  auto prepared = statements_.find(sql);
  if (prepared == statements_.end()) {
    auto statement = connection_.prepare(sql);
    if (!statement) return about(table, statement.error());
    if (statements_.size() >= kMostStatements) statements_.clear();
    prepared = statements_.emplace(sql, std::move(*statement)).first;
  }
  db::Rows rows = prepared->second.run_with(values_.parameters());
  if (auto row = rows.next(); !row) return about(table, row.error());
  if (connection_.changes() == 1) return {};
  return about(table, contradicts("the upstream has changed a row that the copy does not have"));
}

Error Applier::about(const Table& table, Error error) const {
  return {error.kind, fmt::format("cannot apply a change of {}: {}", table.name,
                                  db::without_path(error, database_))};
}

Result<std::int64_t> Applier::read_revision() {
  return connection_.query_integer("SELECT value FROM meta WHERE key = 'revision'");
}

Result<void> Applier::advance(Lsn position) {
  if (position <= position_) return {};
  if (auto untouched = check_untouched(); !untouched) return untouched;
  auto transaction = db::Transaction::begin(connection_, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  const std::string lsn = postgres::lsn_text(position);
  if (auto noted = write_copy_position(connection_, lsn); !noted) return noted;
  // A commit that does not raise the revision would have daemons decide anew all that they lent.
  auto raised = connection_.execute("UPDATE meta SET value = value + 1 WHERE key = 'revision'");
  if (!raised) return raised;
  auto revision = read_revision();
  if (!revision) return revision.error();
  if (auto committed = transaction->commit(); !committed) return committed;
  revision_ = *revision;
  position_ = position;
  mark_.lsn = lsn;
  return {};
}

Result<void> Applier::check_untouched() {
  auto now = identify_database(database_);
  if (!now) return now.error();
  if (now->database != file_) return contradicts("another file has taken the copy's place");
  // Changes of ours that are not committed yet have raised the revision. Nobody else's have: it was
  // compared when the transaction began, and whoever writes waits for its end.
  if (transaction_) return {};
  auto revision = read_revision();
  if (!revision) return revision.error();
  if (*revision != revision_) return contradicts("somebody else has changed the copy");
  return {};
}

}  // namespace grantfs::follow
