#include "policy/postgresql/source_names.h"

#include <fmt/core.h>

#include "base/quote.h"
#include "grantfs/token.h"
#include "policy/postgresql/sql_quoting.h"

namespace grantfs {
namespace {

using SourceKind = TableSource::Kind;

constexpr std::string_view kTruncate = ".truncate";

SourceTarget target_of(SourceKind kind) {
  switch (kind) {
    case SourceKind::kOwn:
      return {"own", "owners", "ownership of a path", {"path"}, "principal", false};
    case SourceKind::kGrant:
      return {"grant", "grants", "a grant", {"principal", "path"}, "principal", true};
    case SourceKind::kMember:
      return {"member", "members", "a membership", {"member", "parent"}, "member", true};
    case SourceKind::kSession:
      break;
  }
  return {"session", "sessions", "a session", {"id"}, "principal", true};
}

/// The column that says more than who it is.
const std::string& other_column(const TableSource& source) {
  if (source.kind == SourceKind::kMember) return source.group_column;
  return source.kind == SourceKind::kSession ? source.token_column : source.path_column;
}

/// Not the same for two sources: a name with a dot in it, or too long a one, is hashed.
std::string name_of(const TableSource& source, std::string_view kind) {
  const std::vector<std::string> names{source.table, source.principal_column, other_column(source)};
  std::string name = fmt::format("grantfs_{}.{}", kind, joined(names, "."));
  bool is_plain = name.size() + 1 + kTruncate.size() <= TableSource::kMostNameBytes;
  for (const std::string& part : names) is_plain = is_plain && part.find('.') == std::string::npos;
  if (is_plain) return name;
  constexpr std::size_t kDigits = 32;
  std::string apart;
  for (const std::string& part : names) apart += fmt::format("{} {} ", part.size(), part);
  return fmt::format("grantfs_{}_{}", kind, TokenHash::of(apart).hex().substr(0, kDigits));
}

}  // namespace

std::string all_same(const std::vector<std::string>& names, std::string_view a,
                     std::string_view b) {
  std::vector<std::string> pairs;
  pairs.reserve(names.size());
  for (const std::string& name : names)
    pairs.push_back(fmt::format("{0}.{1} = {2}.{1}", a, name, b));
  return joined(pairs, " AND ");
}

std::string all_of(std::string_view row, const std::vector<std::string>& names) {
  std::vector<std::string> all;
  all.reserve(names.size());
  for (const std::string& name : names) all.push_back(fmt::format("{}.{}", row, name));
  return joined(all, ", ");
}

SourceNames::SourceNames(const TableSource& source)
    : source_(source),
      target_(target_of(source.kind)),
      name_(name_of(source, target_.kind)),
      table_(sql_name(source.schema) + '.' + sql_name(source.table)),
      function_(sql_name(source.schema) + '.' + sql_name(name_)) {}

std::string SourceNames::shown_table() const {
  return sql_text(escaped(source_.schema + '.' + source_.table));
}

// Triggers fire in the order of their names.
std::string SourceNames::row_trigger() const {
  return sql_name('!' + name_);
}

std::string SourceNames::truncate_trigger() const {
  return sql_name('!' + name_ + std::string(kTruncate));
}

std::vector<std::string> SourceNames::columns() const {
  std::vector<std::string> all = target_.key;
  for (std::string& value : values()) all.push_back(std::move(value));
  return all;
}

std::vector<std::string> SourceNames::values() const {
  std::vector<std::string> all;
  if (principal_is_free()) all.emplace_back(target_.principal);
  if (target_.ends) all.emplace_back("expires");
  return all;
}

std::vector<std::string> SourceNames::key_columns() const {
  if (principal_is_free()) return {other_column(source_)};
  return {source_.principal_column, other_column(source_)};
}

std::string SourceNames::same_key(std::string_view a, std::string_view b) const {
  return all_same(target_.key, a, b);
}

std::string SourceNames::same_rule(std::string_view a, std::string_view b) const {
  std::vector<std::string> names = target_.key;
  if (principal_is_free()) names.emplace_back(target_.principal);
  return all_same(names, a, b);
}

std::string SourceNames::same_key_columns(std::string_view a, std::string_view b) const {
  std::vector<std::string> names;
  for (const std::string& column : key_columns()) names.push_back(sql_name(column));
  return all_same(names, a, b);
}

std::vector<std::string> SourceNames::together(std::string_view rows) const {
  std::vector<std::string> all;
  if (principal_is_free()) all.push_back(fmt::format("min({}.{})", rows, target_.principal));
  if (target_.ends) {
    all.push_back(
        fmt::format("CASE WHEN bool_and({0}.expires IS NOT NULL) THEN max({0}.expires) END", rows));
  }
  return all;
}

std::string SourceNames::raise_conflict(std::string_view key, std::string_view one,
                                        std::string_view other) const {
  return fmt::format(
      "RAISE EXCEPTION 'two rows of % give % to both % and %', {}, {}, {}, {}\n"
      "        USING ERRCODE = 'unique_violation'{};",
      shown_table(), key, one, other,
      source_.kind == SourceKind::kOwn
          ? ", HINT = 'A path has one owner. Where several may have it: --kind grant'"
          : "");
}

std::string SourceNames::delete_given() const {
  return fmt::format(
      R"sql(DELETE FROM grantfs.{} AS rule USING (
        SELECT given.* FROM ONLY {} AS each CROSS JOIN LATERAL {}(each.*) AS given
        WHERE given.fault IS NULL) AS given
      WHERE {};)sql",
      target_.table, table_, function_, same_rule("rule", "given"));
}

}  // namespace grantfs
