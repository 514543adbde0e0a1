#include "grantctl/rows/policy_rows.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/parse_integer.h"
#include "base/quote.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Expiry;
using grantfs::PolicyRow;
using grantfs::Principal;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Rights;
using grantfs::StorePath;
using grantfs::Timestamp;

namespace {

template <class Enum, std::size_t N>
std::optional<Enum> named_value(const std::array<std::string_view, N>& names,
                                std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

/// The folder without the slashes at its end.
std::string folder_name(std::string folder) {
  while (folder.ends_with('/')) folder.pop_back();
  return folder;
}

}  // namespace

Result<RowReader> RowReader::start(std::unique_ptr<Records> records, RowFormat format) {
  format.strip_prefix = format.strip_prefix.empty() ? "" : folder_name(format.strip_prefix) + '/';
  RowReader reader(std::move(records), std::move(format));
  if (auto found = reader.find_columns(); !found) return found.error();
  return reader;
}

Result<void> RowReader::find_columns() {
  const auto& columns = records_->columns();
  std::array<std::string_view, kPolicyColumns.size()> wanted = kPolicyColumns;
  if (format_.names_columns()) {
    wanted = {"", "principal", "path"};  // no other column is wanted
    if (!format_.principal_column.empty()) wanted[kPrincipal] = format_.principal_column;
    if (!format_.path_column.empty()) wanted[kPath] = format_.path_column;
    wanted[kExpires] = format_.expires_column;
  }
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto column = columns[i].empty() ? wanted.end() : std::ranges::find(wanted, columns[i]);
    if (column == wanted.end()) {
      if (format_.names_columns()) continue;
      return Error{
          ErrorKind::kInvalid,
          fmt::format("{} 1: column {} is none of {}; leave it out, or name the columns "
                      "that count with --principal-column, --path-column and "
                      "--expires-column",
                      records_->numbered(), quoted(columns[i]), fmt::join(kPolicyColumns, ", "))};
    }
    auto& place = columns_.at(static_cast<std::size_t>(column - wanted.begin()));
    if (place) {
      return Error{ErrorKind::kInvalid, fmt::format("{} 1: two columns are called {}",
                                                    records_->numbered(), quoted(columns[i]))};
    }
    place = i;
  }
  for (const Column named : {kPrincipal, kPath, kExpires}) {
    const std::string_view name = wanted.at(named);
    if (format_.names_columns() && !name.empty() && !columns_[named]) {
      return Error{ErrorKind::kInvalid,
                   fmt::format("{} 1: no column is called {}; there are: {}", records_->numbered(),
                               quoted(name), fmt::join(columns, ", "))};
    }
  }
  if (rows_have_kinds()) {
    if (format_.kind.empty()) return {};
    return Error{ErrorKind::kInvalid,
                 "each row says in the column kind what it is; leave out --kind"};
  }
  const auto kind =
      named_value<PolicyRow::Kind>(kKindNames, format_.kind.empty() ? "own" : format_.kind);
  if (!kind) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("--kind {}: write own, grant, member, link or key",
                             grantfs::quoted(format_.kind))};
  }
  kind_ = *kind;
  for (std::size_t i = 0; i < kPolicyColumns.size(); ++i) {
    const auto column = static_cast<Column>(i);
    if (!needs_column(kind_, column)) continue;
    if (auto there = need_column(column); !there) return there;
  }
  return {};
}

Result<void> RowReader::need_column(Column column) const {
  if (columns_.at(column)) return {};
  return Error{ErrorKind::kInvalid,
               fmt::format("{} 1: there is no column {}; there are: {}", records_->numbered(),
                           kPolicyColumns.at(column), fmt::join(records_->columns(), ", "))};
}

Error RowReader::at_row(const std::string& what) const {
  return {ErrorKind::kInvalid,
          fmt::format("{} {}: {}", records_->numbered(), records_->number(), what)};
}

Result<RowReader::Value> RowReader::value(Column column) const {
  const auto& place = columns_.at(column);
  if (!place) return Value();
  return records_->value(*place);
}

Result<std::string_view> RowReader::needed(Column column) const {
  auto found = value(column);
  if (!found) return found.error();
  if (*found) return **found;
  return at_row(fmt::format("there is no {}{}; leave the row out, or fill it in",
                            kPolicyColumns.at(column),
                            column == kPath ? " ('.' is the whole store)" : ""));
}

Result<void> RowReader::refuse_others(PolicyRow::Kind kind) const {
  for (std::size_t i = 0; i < kPolicyColumns.size(); ++i) {
    const auto column = static_cast<Column>(i);
    if (has_column(kind, column)) continue;
    auto found = value(column);
    if (!found) return found.error();
    if (!*found) continue;
    // No message repeats a secret.
    const std::string said = column == kSecret ? std::string() : ' ' + quoted(**found);
    return at_row(
        fmt::format("{}{}: {}", kPolicyColumns.at(column), said, why_no_column(kind, column)));
  }
  return {};
}

Result<PolicyRow::Kind> RowReader::read_kind() const {
  if (!rows_have_kinds()) return kind_;
  auto text = needed(kKind);
  if (!text) return text.error();
  const auto kind = named_value<PolicyRow::Kind>(kKindNames, *text);
  if (!kind)
    return at_row(fmt::format("kind {}: write own, grant, member, link or key", quoted(*text)));
  return *kind;
}

Result<Principal> RowReader::read_principal() const {
  auto text = needed(kPrincipal);
  if (!text) return text.error();
  auto principal = Principal::parse(format_.principal_prefix + std::string(*text));
  if (principal) return principal;
  std::string message = principal.error().message;
  if (format_.principal_prefix.empty()) message += "; --principal-prefix user: puts that before it";
  return at_row(message);
}

Result<Principal> RowReader::read_group() const {
  auto text = needed(kGroup);
  if (!text) return text.error();
  auto group = Principal::parse(*text);
  if (group && group->kind() == Principal::Kind::kGroup) return group;
  return at_row(fmt::format("group {}: write group:NAME", quoted(*text)));
}

Result<StorePath> RowReader::read_path() const {
  auto text = needed(kPath);
  if (!text) return text.error();
  std::string_view path = *text;
  if (!format_.strip_prefix.empty()) {
    if (!path.starts_with(format_.strip_prefix)) {
      return at_row(fmt::format("path {} does not lie below {}, which --strip-prefix names",
                                quoted(path), quoted(format_.strip_prefix)));
    }
    path.remove_prefix(format_.strip_prefix.size());
  }
  if (!format_.strip_prefix.empty() && path == StorePath::kWholeStore) path = {};
  if (path.empty()) {
    return at_row(fmt::format("path {} is the whole store; leave the row out", quoted(*text)));
  }
  auto parsed = StorePath::parse(path);
  if (parsed) return parsed;
  std::string message = parsed.error().message;
  if (path.front() == '/') message += ", or take off what leads there with --strip-prefix";
  return at_row(message);
}

Result<Rights> RowReader::read_rights() const {
  auto text = value(kRights);
  if (!text) return text.error();
  if (!*text) return Rights::kRead;
  const auto rights = named_value<Rights>(kRightsNames, **text);
  if (!rights) return at_row(fmt::format("rights {}: write read, write or own", quoted(**text)));
  return *rights;
}

Result<Expiry> RowReader::read_time(Column column) const {
  auto text = value(column);
  if (!text) return text.error();
  if (!*text) return Expiry();
  std::optional<Timestamp> time;
  if (const auto seconds = grantfs::parse_integer<std::int64_t>(**text)) {
    time = Timestamp{std::chrono::seconds{*seconds}};
  } else if ((*text)->find('T') != std::string_view::npos) {  // not a span from now
    // Any time is accepted: a rule that has expired may be imported, and stays expired.
    if (auto parsed = grantfs::parse_when(**text, Timestamp::min())) time = *parsed;
  }
  if (time && *time >= Timestamp{} && *time <= grantfs::kLastTimestamp) return Expiry(*time);
  return at_row(
      fmt::format("{} {}: write Unix seconds (not milliseconds) or an ISO 8601 time with its "
                  "zone (2030-01-31T12:00:00Z)",
                  kPolicyColumns.at(column), quoted(**text)));
}

Result<std::optional<PolicyRow>> RowReader::next() {
  using Answer = std::optional<PolicyRow>;
  auto there = records_->next();
  if (!there) return there.error();
  if (!*there) return Answer();

  auto kind = read_kind();
  if (!kind) return kind.error();
  if (auto fit = refuse_others(*kind); !fit) return fit.error();
  const auto has = [&](Column column) { return has_column(*kind, column); };
  auto principal = has(kPrincipal) ? read_principal() : Result<Principal>(Principal::everyone());
  if (!principal) return principal.error();
  PolicyRow row{.kind = *kind, .principal = std::move(*principal), .number = records_->number()};

  if (has(kGroup)) {
    auto group = read_group();
    if (!group) return group.error();
    row.group = std::move(*group);
  }
  if (has(kPath)) {
    auto path = read_path();
    if (!path) return path.error();
    row.path = std::move(*path);
  }
  if (has(kRights)) {
    auto rights = read_rights();
    if (!rights) return rights.error();
    row.rights = *rights;
  }
  if (has(kExpires)) {
    auto expires = read_time(kExpires);
    if (!expires) return expires.error();
    row.expires = *expires;
  }
  if (*kind == PolicyRow::Kind::kLink) {
    auto link = read_link();
    if (!link) return link.error();
    row.link = std::move(*link);
  }
  if (*kind == PolicyRow::Kind::kKey) {
    auto key = read_key();
    if (!key) return key.error();
    row.key = std::move(*key);
  }
  return Answer(std::move(row));
}

}  // namespace grantctl
