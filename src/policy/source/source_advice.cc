// Which index an application's query lacks; see Source::advice().
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "policy/source/source.h"

namespace grantfs {
namespace {

using Lines = std::vector<std::string>;

Result<Lines> column_of(db::Connection& connection, const std::string& sql, int column) {
  auto statement = connection.prepare(sql);
  if (!statement) return statement.error();
  Lines lines;
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return lines;
    lines.emplace_back(rows.text(column));
  }
}

Lines plan(db::Connection& connection, const std::string& sql) {
  constexpr int kDetail = 3;  // https://sqlite.org/eqp.html
  auto lines = column_of(connection, "EXPLAIN QUERY PLAN " + sql, kDetail);
  return lines ? *lines : Lines();
}

bool scans(const std::string& detail) {
  return detail.starts_with("SCAN ") && !detail.ends_with("CONSTANT ROW");
}

/// How much of an index the plan seeks by; -1 if it reads all of something.
std::ptrdiff_t seeks(const Lines& details) {
  if (std::ranges::any_of(details, scans)) return -1;
  std::ptrdiff_t terms = 0;
  for (const std::string& detail : details) terms += std::ranges::count(detail, '?');
  return terms;
}

std::string in_quotes(const std::string& name) {
  std::string text;
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return '"' + text + '"';
}

/// The text between single quotes, for a literal with each of them twice.
Lines split_quotes(const std::string& text) {
  Lines parts(1);
  for (const char c : text) {
    if (c == '\'') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// Whether a column's name stands in the query.
bool mentions(const std::string& sql, const std::string& column) {
  const auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (std::size_t at = sql.find(column); at != std::string::npos; at = sql.find(column, at + 1)) {
    const std::size_t end = at + column.size();
    const bool parameter = at > 0 && sql[at - 1] == ':';
    if (!parameter && (at == 0 || !is_word(sql[at - 1])) &&
        (end == sql.size() || !is_word(sql[end]))) {
      return true;
    }
  }
  return false;
}

/// A table of the application's, by the names of its columns.
struct Table {
  std::string name;
  Lines columns;
  std::string key;  ///< the column that is its INTEGER PRIMARY KEY, if any
};

Result<std::vector<Table>> tables_of(db::Connection& connection) {
  auto names = column_of(connection,
                         "SELECT name FROM sqlite_schema WHERE type = 'table'"
                         " AND name NOT LIKE 'sqlite~_%' ESCAPE '~'",
                         0);
  if (!names) return names.error();
  std::vector<Table> tables;
  for (const std::string& name : *names) {
    const std::string info =
        fmt::format("FROM pragma_table_info('{}')", fmt::join(split_quotes(name), "''"));
    auto columns = column_of(connection, "SELECT name " + info, 0);
    auto key = column_of(
        connection, "SELECT name " + info + " WHERE pk = 1 AND type = 'INTEGER' COLLATE NOCASE", 0);
    if (!columns || !key) continue;
    tables.push_back({name, std::move(*columns), key->empty() ? std::string() : key->front()});
  }
  return tables;
}

/// An empty copy. Made of names alone: nothing of the application's schema is run.
Result<void> copy(db::Connection& model, const Table& table) {
  std::string columns;
  for (const std::string& column : table.columns) {
    columns += (columns.empty() ? "" : ", ") + in_quotes(column) +
               (column == table.key ? " INTEGER PRIMARY KEY" : "");
  }
  return model.execute(fmt::format("CREATE TABLE {} ({})", in_quotes(table.name), columns).c_str());
}

/// Tries the indexes that the query could use; the one it seeks furthest by, as the SQL that makes
/// it. Empty if none is of use.
std::string index_wanted(db::Connection& model, const std::vector<Table>& tables,
                         const std::string& sql) {
  constexpr std::size_t kMostColumns = 3;
  std::string best;
  std::ptrdiff_t most = 0;
  for (const Table& table : tables) {
    Lines names = table.columns;
    std::erase_if(names, [&](const std::string& name) { return !mentions(sql, name); });
    if (names.size() > kMostColumns) names.resize(kMostColumns);
    std::ranges::sort(names);
    do {
      std::string columns;
      for (const std::string& name : names) {
        columns += (columns.empty() ? "" : ", ") + in_quotes(name);
        const auto create = fmt::format("SAVEPOINT trial; CREATE INDEX grantfs_trial ON {} ({})",
                                        in_quotes(table.name), columns);
        const bool made = model.execute(create.c_str()).ok();
        const auto terms = made ? seeks(plan(model, sql)) : -1;
        (void)model.execute("ROLLBACK TO trial; RELEASE trial").ok();
        if (terms > most) {
          most = terms;
          best = fmt::format("CREATE INDEX {} ON {} ({})", in_quotes("grantfs_" + table.name),
                             in_quotes(table.name), columns);
        }
      }
    } while (std::ranges::next_permutation(names).found);
  }
  return best;
}

}  // namespace

Result<std::vector<std::string>> Source::advice() {
  // A connection of our own making: the other one may not even ask for a plan.
  auto connection = db::Connection::open(config_.database, db::Mode::kRead);
  if (!connection) return connection.error();
  auto model = db::Connection::open(":memory:", db::Mode::kCreate);
  if (!model) return model.error();
  auto tables = tables_of(*connection);
  if (!tables) return tables.error();
  for (const Table& table : *tables) (void)copy(*model, table).ok();

  std::vector<std::string> advice;
  for (const Query* query : {&who_, &allow_, &list_}) {
    if (query->sql.empty()) continue;
    const Lines details = plan(*connection, query->sql);
    const auto scan = std::ranges::find_if(details, scans);
    if (scan == details.end()) continue;
    const std::string index = index_wanted(*model, *tables, query->sql);
    advice.push_back(
        wrong(*query, fmt::format("each answer reads all of a table ({}); {}", *scan,
                                  index.empty() ? "rewrite it so that an index serves it"
                                                : "make the index it lacks: " + index))
            .message);
  }
  return advice;
}

}  // namespace grantfs
