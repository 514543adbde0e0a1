#include "policy/schema/copy_mark.h"

#include <fmt/core.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/parse_integer.h"
#include "db/rows.h"
#include "db/statement.h"

namespace grantfs {
namespace {

constexpr const char* kUpstream = "copy_upstream";
constexpr const char* kTimeline = "copy_timeline";
constexpr const char* kLsn = "copy_lsn";

/// The texts of a mark, by their keys.
std::array<std::pair<const char*, std::string CopyMark::*>, 5> texts() {
  return {{{kUpstream, &CopyMark::upstream},
           {"copy_system", &CopyMark::system},
           {"copy_publication", &CopyMark::publication},
           {"copy_slot", &CopyMark::slot},
           {kLsn, &CopyMark::lsn}}};
}

/// None if there is no such row.
Result<std::optional<std::string>> read(db::Connection& connection, std::string_view key) {
  auto statement = connection.prepare("SELECT value FROM meta WHERE key = ?1");
  if (!statement) return statement.error();
  db::Rows rows = statement->run(key);
  auto row = rows.next();
  if (!row) return row.error();
  if (!*row) return std::optional<std::string>();
  return std::optional(std::string(rows.text(0)));
}

Result<void> write(db::Connection& connection, std::string_view key, std::string_view value) {
  auto statement = connection.prepare(
      "INSERT INTO meta (key, value) VALUES (?1, ?2)"
      " ON CONFLICT (key) DO UPDATE SET value = excluded.value");
  if (!statement) return statement.error();
  return statement->execute(key, value);
}

}  // namespace

Result<std::optional<CopyMark>> read_copy_mark(db::Connection& connection) {
  auto any = connection.query_integer("SELECT count(*) FROM meta WHERE key GLOB 'copy_*'");
  if (!any) return any.error();
  if (*any == 0) return std::optional<CopyMark>();
  CopyMark mark;
  const Error partial{ErrorKind::kDatabase, "a part of what says what it is a copy of is missing"};
  for (const auto& [key, member] : texts()) {
    auto value = read(connection, key);
    if (!value) return value.error();
    if (!*value || (*value)->empty()) return partial;
    mark.*member = std::move(**value);
  }
  auto timeline = read(connection, kTimeline);
  if (!timeline) return timeline.error();
  const auto number = parse_integer<std::int64_t>(timeline->value_or(""));
  if (!number) return partial;
  mark.timeline = *number;
  return std::optional(std::move(mark));
}

Result<void> write_copy_mark(db::Connection& connection, const CopyMark& mark) {
  for (const auto& [key, member] : texts()) {
    if (auto written = write(connection, key, mark.*member); !written) return written;
  }
  return write(connection, kTimeline, std::to_string(mark.timeline));
}

Result<void> write_copy_position(db::Connection& connection, const std::string& lsn) {
  return write(connection, kLsn, lsn);
}

Result<void> remove_copy_mark(db::Connection& connection) {
  return connection.execute("DELETE FROM meta WHERE key GLOB 'copy_*'");
}

Result<void> check_is_no_copy(db::Connection& connection) {
  auto upstream = read(connection, kUpstream);
  if (!upstream) return upstream.error();
  if (!*upstream) return {};
  return Error{
      ErrorKind::kConflict,
      fmt::format("this database is a copy of {} and changed by grantfs-follow alone; make "
                  "the change there, with grantctl --db {}",
                  **upstream, **upstream)};
}

}  // namespace grantfs
