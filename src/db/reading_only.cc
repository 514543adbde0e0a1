#include "db/reading_only.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <utility>

namespace grantfs::db {
namespace {

/// The functions that a foreign statement may call, sorted by name. They compute from their
/// arguments, or over rows (https://sqlite.org/lang_corefunc.html and the pages beside it).
/// Functions left out give random numbers, tell of the connection, load code, read files, or came
/// with an extension.
constexpr auto kFunctions = std::to_array<std::string_view>({
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "radians",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "tan",
    "tanh",
    "time",
    "timediff",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
});
static_assert(std::ranges::is_sorted(kFunctions));

/// Lower case as SQLite compares names (https://sqlite.org/datatype3.html, 7): only ASCII letters
/// change.
std::string lower(std::string_view name) {
  std::string text(name);
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

ReadingOnly::ReadingOnly(const std::vector<std::string>& tables) {
  for (const std::string& table : tables) tables_.insert(lower(table));
}

std::set<std::string> ReadingOnly::end_statement() {
  return std::exchange(undecided_, std::nullopt).value_or(std::set<std::string>());
}

Result<void> ReadingOnly::accept_own(sqlite3* handle, const std::set<std::string>& names) {
  for (const std::string& name : names) {
    std::string sql = "SELECT 1 FROM \"";
    for (const char c : name) sql.append(c == '"' ? 2 : 1, c);
    sql += '"';
    sqlite3_stmt* probe = nullptr;
    begin_statement();
    const int result = sqlite3_prepare_v2(handle, sql.c_str(), -1, &probe, nullptr);
    (void)end_statement();
    sqlite3_finalize(probe);
    const std::string_view said = sqlite3_errmsg(handle);
    if (result == SQLITE_OK || !said.starts_with("no such table")) {
      return Error{ErrorKind::kDatabase,
                   fmt::format("not authorized: '{}' is no table or view of the database", name)};
    }
    own_.insert(name);
  }
  return {};
}

int ReadingOnly::judge_read(std::string_view table, std::string_view column, bool qualified) {
  const std::string name = lower(table);
  if (tables_.contains(name)) return SQLITE_OK;
  // SQLite never names a column or a database when it reads a table of the statement's own, such as
  // one from WITH.
  if (!column.empty() || qualified) return SQLITE_DENY;
  if (own_.contains(name)) return SQLITE_OK;
  if (!undecided_) return SQLITE_DENY;
  undecided_->insert(name);
  return SQLITE_OK;
}

int ReadingOnly::judge(void* object, int action, const char* first, const char* second,
                       const char* database, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_RECURSIVE:  // an endless recursion meets the time limit
      return SQLITE_OK;
    case SQLITE_READ:
      if (first == nullptr || second == nullptr) return SQLITE_DENY;
      return static_cast<ReadingOnly*>(object)->judge_read(first, second, database != nullptr);
    case SQLITE_FUNCTION:  // the second name is the function's
      return second != nullptr && std::ranges::binary_search(kFunctions, lower(second))
                 ? SQLITE_OK
                 : SQLITE_DENY;
    case SQLITE_PRAGMA:
      return first != nullptr && second == nullptr &&
                     (std::string_view(first) == "data_version" ||
                      std::string_view(first) == "schema_version")
                 ? SQLITE_OK
                 : SQLITE_DENY;
    default:
      return SQLITE_DENY;
  }
}

std::vector<std::string_view> functions_for_reading() {
  return {kFunctions.begin(), kFunctions.end()};
}

}  // namespace grantfs::db
