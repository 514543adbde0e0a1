#include "policy/postgresql/row_rule.h"

#include <fmt/core.h>

#include <string_view>

#include "base/quote.h"
#include "policy/postgresql/checks.h"
#include "policy/postgresql/sql_quoting.h"

namespace grantfs {
namespace {

class Select {
 public:
  explicit Select(const TableSource& source) : source_(source) {}

  RowRule write() {
    switch (source_.kind) {
      case TableSource::Kind::kOwn:
        add_path();
        add_principal("principal");
        break;
      case TableSource::Kind::kGrant:
        add_path();
        add_principal("principal");
        add_end();
        break;
      case TableSource::Kind::kMember:
        add_principal("member");
        add_group();
        add_end();
        break;
      case TableSource::Kind::kSession:
        add_token();
        add_principal("principal");
        add_end();
        break;
    }
    columns_.emplace_back("fault text");
    return {joined(columns_, ", "),
            fmt::format(R"sql(  SELECT {},
    CASE
{}    END
  FROM (SELECT {}) AS given
  WHERE {}
)sql",
                        joined(values_, ", "), faults_, joined(read_, ",\n               "),
                        joined(needed_, " AND "))};
  }

 private:
  static std::string column(const std::string& name) { return "$1." + sql_name(name); }
  /// Compared as bytes, whatever the column's collation.
  static std::string bytes_of(const std::string& name) {
    return column(name) + "::text COLLATE \"C\"";
  }
  /// Enough of a value to know it again.
  static std::string shown(std::string_view value) { return fmt::format("left({}, 300)", value); }
  static std::string shown_name(const std::string& name) { return sql_text(escaped(name)); }

  void add(std::string declared, std::string value) {
    columns_.push_back(std::move(declared));
    values_.push_back(std::move(value));
  }
  /// A column of the application's, as given.NAME; without it the row gives nothing.
  void need(const std::string& expression, std::string_view name) {
    read_.push_back(fmt::format("{} AS {}", expression, name));
    needed_.push_back(fmt::format("given.{} IS NOT NULL", name));
  }
  /// An empty text is as NULL.
  static std::string text_of(const std::string& name) {
    return fmt::format("nullif({}, '')", bytes_of(name));
  }

  void add_fault(std::string_view condition, const std::string& row, std::string_view why) {
    faults_ += fmt::format("      WHEN {}\n        THEN {} || {}\n", condition, row, sql_text(why));
  }
  /// A value, and whose it is.
  std::string row_with(const std::string& name, std::string_view value) const {
    return fmt::format("format('%s %L of %s %L', {}, {}, {}, {})", shown_name(name), shown(value),
                       shown_name(source_.principal_column),
                       shown(column(source_.principal_column) + "::text"));
  }

  void add_path() {
    need(text_of(source_.path_column), "whole");
    const std::string row = row_with(source_.path_column, "given.whole");
    if (source_.strip_prefix.empty()) {
      read_.push_back(bytes_of(source_.path_column) + " AS path");
    } else {
      const std::string prefix = sql_text(source_.strip_prefix);
      read_.push_back(
          fmt::format("substr({}, length({}) + 1) AS path", bytes_of(source_.path_column), prefix));
      add_fault(fmt::format("NOT starts_with(given.whole, {})", prefix), row,
                fmt::format(" does not begin with {}", escaped(source_.strip_prefix)));
    }
    add("path text", "given.path");
    add_fault(
        "given.path = '.' OR NOT " PG_IS_PATH("given.path"), row,
        " is no path of the store, or all of it: it is empty, has //, . or .. in it, or a slash "
        "at an end");
    add_fault("octet_length(given.path) > " PG_MAX_PATH_BYTES, row,
              " has more than " PG_MAX_PATH_BYTES " bytes, which no index takes");
  }

  void add_principal(const std::string& as) {
    const std::string& prefix = source_.principal_prefix;
    const std::string name = text_of(source_.principal_column);
    need(prefix.empty() ? name : fmt::format("{} || {}", sql_text(prefix), name), "principal");
    add(as + " text", "given.principal");
    std::string_view is_one = "NOT (" PG_IS_PRINCIPAL("given.principal") ")";
    if (prefix.starts_with("user:")) is_one = "NOT " PG_IS_USER("given.principal");
    if (prefix.starts_with("group:")) is_one = "NOT " PG_IS_GROUP("given.principal");
    add_fault(is_one,
              fmt::format("format('%s %L', {}, {})", shown_name(source_.principal_column),
                          shown("given.principal")),
              " is no principal: user:NAME or group:NAME, of 1 to 255 bytes without / and control "
              "characters, uid:N, gid:N or public");
  }

  void add_group() {
    const std::string name = text_of(source_.group_column);
    need(source_.group_prefix.empty()
             ? name
             : fmt::format("{} || {}", sql_text(source_.group_prefix), name),
         "parent");
    add("parent text", "given.parent");
    add_fault("NOT " PG_IS_GROUP("given.parent"), row_with(source_.group_column, "given.parent"),
              " is no group: group:NAME, of 1 to 255 bytes without / and control characters");
  }

  /// No message shows a token.
  void add_token() {
    need(source_.token_is_hashed
             // A bytea reads \x01...
             ? fmt::format("nullif(regexp_replace({}, {}, ''), '')", bytes_of(source_.token_column),
                           sql_text("^\\\\x"))
             : text_of(source_.token_column),
         "token");
    add("id text", source_.token_is_hashed
                       ? "given.token"
                       : "encode(sha256(convert_to(given.token, 'UTF8')), 'hex')");
    add_fault(source_.token_is_hashed ? "given.token !~ '^[0-9a-f]{64}$'"
                                      : "given.token !~ '^[A-Za-z0-9_-]{16,255}$'",
              fmt::format("format('%s of %s %L', {}, {}, {})", shown_name(source_.token_column),
                          shown_name(source_.principal_column),
                          shown(column(source_.principal_column) + "::text")),
              source_.token_is_hashed ? " is no SHA-256 in lowercase hexadecimal"
                                      : " is not 16 to 255 of A-Z a-z 0-9 - _");
  }

  void add_end() {
    if (source_.expires_column.empty()) {
      add("expires bigint", "NULL::bigint");
      return;
    }
    const std::string end = column(source_.expires_column);
    if (source_.expires_is_number) {
      read_.push_back(fmt::format("{}::numeric AS ends", end));
      add("expires bigint",
          "CASE WHEN given.ends BETWEEN 0 AND 99999999999 THEN floor(given.ends)::bigint END");
      add_fault("given.ends NOT BETWEEN 0 AND 99999999999",
                row_with(source_.expires_column, "given.ends::text"),
                " is no time in Unix seconds, from 0 to 99999999999");
    } else {
      // A timestamp may be infinite. NULL is never.
      read_.push_back(fmt::format("extract(epoch FROM {}) AS ends", end));
      add("expires bigint",
          "CASE WHEN given.ends IS NOT NULL"
          " THEN least(greatest(floor(given.ends), 0), 99999999999)::bigint END");
    }
  }

  const TableSource& source_;
  std::vector<std::string> columns_;
  std::vector<std::string> values_;
  std::vector<std::string> read_;
  std::vector<std::string> needed_;
  std::string faults_;
};

}  // namespace

RowRule row_rule(const TableSource& source) {
  return Select(source).write();
}

}  // namespace grantfs
