#include "policy/schema/schema.h"

#include <fmt/core.h>

#include <array>
#include <map>
#include <string>

#include "db/rows.h"
#include "policy/schema/schema_version.h"

namespace grantfs {
namespace {

/// A table of this version, with its columns and their types.
struct TableShape {
  const char* name;
  std::map<std::string, std::string> columns;
};
const std::array kTables{
    TableShape{"owners", {{"path", "TEXT"}, {"principal", "TEXT"}, {"created", "INTEGER"}}},
    TableShape{"grants",
               {{"id", "INTEGER"},
                {"principal", "TEXT"},
                {"path", "TEXT"},
                {"rights", "TEXT"},
                {"expires", "INTEGER"},
                {"created", "INTEGER"}}},
    TableShape{"members",
               {{"id", "INTEGER"}, {"member", "TEXT"}, {"parent", "TEXT"}, {"expires", "INTEGER"}}},
    TableShape{"sessions",
               {{"id", "TEXT"},
                {"principal", "TEXT"},
                {"expires", "INTEGER"},
                {"address", "TEXT"},
                {"created", "INTEGER"}}},
    TableShape{"links",
               {{"id", "TEXT"},
                {"principal", "TEXT"},
                {"path", "TEXT"},
                {"expires", "INTEGER"},
                {"address", "TEXT"},
                {"uses", "INTEGER"},
                {"created", "INTEGER"},
                {"label", "TEXT"}}},
    TableShape{"signing_keys",
               {{"id", "TEXT"},
                {"format", "TEXT"},
                {"uri_prefix", "TEXT"},
                {"path", "TEXT"},
                {"secret", "BLOB"},
                {"created", "INTEGER"},
                {"retired", "INTEGER"}}},
    TableShape{"changes",
               {{"seq", "INTEGER"}, {"path", "TEXT"}, {"principal", "TEXT"}, {"token", "TEXT"}}},
    TableShape{"meta", {{"key", "TEXT"}, {"value", "ANY"}}}};

/// By PRAGMAs: a table-valued function could itself be a table of the database's.
Result<bool> has_shape(db::Connection& connection, const TableShape& shape) {
  auto list = connection.prepare(fmt::format("PRAGMA main.table_list({})", shape.name));
  if (!list) return list.error();
  bool is_strict = false;
  db::Rows tables = list->run();
  while (true) {
    auto row = tables.next();
    if (!row) return row.error();
    if (!*row) break;
    constexpr int kType = 2;
    constexpr int kStrict = 5;
    if (tables.text(0) == "main") {
      is_strict = tables.text(kType) == "table" && tables.integer(kStrict) == 1;
    }
  }
  if (!is_strict) return false;
  auto info = connection.prepare(fmt::format("PRAGMA main.table_xinfo({})", shape.name));
  if (!info) return info.error();
  std::size_t known = 0;
  db::Rows columns = info->run();
  while (true) {
    auto row = columns.next();
    if (!row) return row.error();
    if (!*row) return known == shape.columns.size();
    constexpr int kHidden = 6;  // or computed
    if (columns.integer(kHidden) != 0) return false;
    const auto ours = shape.columns.find(std::string(columns.text(1)));
    if (ours == shape.columns.end()) continue;
    if (columns.text(2) != ours->second) return false;
    ++known;
  }
}

}  // namespace

Result<void> check_schema(db::Connection& connection, const std::filesystem::path& database) {
  auto version = schema_version(connection, database);
  if (!version) return version.error();
  if (*version > current_schema_version()) return newer_schema(database, *version);
  if (*version < current_schema_version()) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("{} has schema {}, older than this program's {}; "
                    "bring it up with: grantctl --db {} init",
                    database.string(), *version, current_schema_version(), database.string())};
  }
  return {};
}

Result<void> check_tables(db::Connection& connection, const std::filesystem::path& database) {
  for (const TableShape& table : kTables) {
    auto fit = has_shape(connection, table);
    if (!fit) return fit.error();
    if (!*fit) {
      return Error{ErrorKind::kDatabase,
                   fmt::format("{}: {} is not the table that grantctl init makes (a STRICT table "
                               "with its columns, none of them computed); restore a backup",
                               database.string(), table.name)};
    }
  }
  return {};
}

}  // namespace grantfs
