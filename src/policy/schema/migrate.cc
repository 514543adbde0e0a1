// Bringing a database to this program's schema; see schema.h.
#include <fmt/core.h>

#include <map>
#include <set>
#include <string>

#include "db/error.h"
#include "db/rows.h"
#include "db/transaction.h"
#include "policy/schema/schema.h"
#include "policy/schema/schema_version.h"

namespace grantfs {
namespace {

/// The SQL of each by its name.
using Objects = std::map<std::string, std::string>;

Result<Objects> indexes_and_triggers(db::Connection& connection) {
  auto statement = connection.prepare(
      "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOTNULL");
  if (!statement) return statement.error();
  Objects found;
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found.emplace(rows.text(0), rows.text(1));
  }
}

/// "TABLE.COLUMN" of every table.
Result<std::set<std::string>> columns(db::Connection& connection) {
  auto statement = connection.prepare(
      "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c"
      " WHERE t.type = 'table'");
  if (!statement) return statement.error();
  std::set<std::string> found;
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found.emplace(rows.text(0));
  }
}

/// A migration that makes a table anew copies the columns it knows: no other may be lost.
Result<void> check_columns_kept(db::Connection& connection, const std::set<std::string>& before) {
  auto after = columns(connection);
  if (!after) return after.error();
  for (const std::string& column : before) {
    if (after->contains(column)) continue;
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} is not a column of this program's; move it to a table of your "
                             "own first",
                             column)};
  }
  return {};
}

/// Those that went with their tables when a migration made these anew; foreign ones too.
Result<void> make_again(db::Connection& connection, const Objects& before) {
  auto after = indexes_and_triggers(connection);
  if (!after) return after.error();
  for (const auto& [name, sql] : before) {
    if (after->contains(name)) continue;
    if (auto made = connection.execute(sql.c_str()); !made) {
      return Error{ErrorKind::kDatabase,
                   fmt::format("{} does not fit the tables of this version: {}; drop it first",
                               name, made.error().message)};
    }
  }
  return {};
}

}  // namespace

Result<int> migrate_schema(db::Connection& connection, const std::filesystem::path& database,
                           std::span<const char* const> migrations) {
  auto transaction = db::Transaction::begin(connection, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();

  std::int64_t version = 0;
  if (!is_empty(connection)) {
    auto found = schema_version(connection, database);
    if (!found) return found.error();
    version = *found;
  }
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest || version < 0) return newer_schema(database, version);
  if (version == newest) return 0;

  for (std::int64_t step = version; step < newest; ++step) {
    auto before = indexes_and_triggers(connection);
    if (!before) return before.error();
    auto known = columns(connection);
    if (!known) return known.error();
    auto done = connection.execute(migrations[static_cast<std::size_t>(step)]);
    if (!done) {
      return Error{
          ErrorKind::kDatabase,
          fmt::format("{} cannot be brought from schema {} to {}, and is as it was: {}; "
                      "see OLDER VERSIONS in: man grantfs-schema",
                      database.string(), step, step + 1, db::without_path(done.error(), database))};
    }
    if (auto kept = check_columns_kept(connection, *known); !kept) return kept.error();
    if (auto kept = make_again(connection, *before); !kept) return kept.error();
  }
  auto mark = connection.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?)");
  if (!mark) return mark.error();
  if (auto marked = mark->execute(newest); !marked) return marked.error();
  const auto claim = fmt::format("PRAGMA application_id = {}", kApplicationId);
  if (auto claimed = connection.execute(claim.c_str()); !claimed) return claimed.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return static_cast<int>(newest - version);
}

}  // namespace grantfs
