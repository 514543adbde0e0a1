// Rows of a policy in CSV: what is read can be kept, and is the same when it is written and read
// again.
#include <memory>
#include <string>
#include <vector>

#include "fuzz.h"
#include "grantctl/rows/columns.h"
#include "grantctl/rows/policy_rows.h"
#include "grantctl/rows/records.h"
#include "memory_file.h"
#include "schema_rows.h"

namespace grantfs::fuzz {
namespace {

using grantctl::Records;
using grantctl::RowReader;

constexpr std::size_t kMostRows = 100;

/// Each record as a line of CSV; the columns first.
std::string lines_of(Records& records) {
  const auto add = [](std::string& lines, const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      lines += (i > 0 ? "," : "") + grantctl::csv_value(values[i]);
    // An empty line is no record, nor is what looks like a mark of the order of bytes a value's
    // own.
    lines += '\n';
  };
  std::string lines;
  add(lines, records.columns());
  for (auto more = records.next(); more && *more; more = records.next()) {
    std::vector<std::string> values;
    for (std::size_t i = 0; i < records.columns().size(); ++i) {
      const auto value = records.value(i);
      require(value.ok(), "a value of CSV is a text");
      values.emplace_back(value->value_or(""));
    }
    add(lines, values);
  }
  return lines;
}

void try_records(std::string_view text) {
  const MemoryFile file(text);
  const auto records = grantctl::read_csv(file.path());
  if (!records) {
    require(is_one_line(records.error().message), "a refusal is one line");
    return;
  }
  if ((*records)->columns().size() < 2)
    return;  // a single empty value is written as an empty line, which is none
  if ((*records)->columns().front().starts_with("\xEF\xBB\xBF")) return;  // the second of two
  const std::string lines = lines_of(**records);
  const MemoryFile written(lines);
  const auto again = grantctl::read_csv(written.path());
  require(again.ok() && lines_of(**again) == lines, "what is written is read as it was");
}

bool is_kept(const PolicyRow& row) {
  static SchemaRows rows;
  const auto time = [](const std::optional<Timestamp>& at) {
    return at ? std::optional<std::int64_t>(at->time_since_epoch().count()) : std::nullopt;
  };
  const std::string_view path = row.path.spelling();
  const std::string_view principal = row.principal.text();
  switch (row.kind) {
    case PolicyRow::Kind::kOwner:
      return rows.take("INSERT INTO owners (path, principal) VALUES (?, ?)", path, principal);
    case PolicyRow::Kind::kGrant:
      return rows.take("INSERT INTO grants (principal, path, expires) VALUES (?, ?, ?)", principal,
                       path, time(row.expires));
    case PolicyRow::Kind::kMember:
      return rows.take("INSERT INTO members (member, parent, expires) VALUES (?, ?, ?)", principal,
                       std::string_view(row.group->text()), time(row.expires));
    case PolicyRow::Kind::kLink:
      return rows.take(
          "INSERT INTO links (id, principal, path, expires, address, uses) VALUES (?, ?, ?, ?, "
          "nullif(?, ''), ?)",
          std::string_view(row.link->id.hex()), principal, path, time(row.expires),
          std::string_view(row.link->address), row.link->uses);
    case PolicyRow::Kind::kKey:
      return rows.take(
          "INSERT INTO signing_keys (id, format, uri_prefix, path, secret, retired)"
          " VALUES (?, ?, nullif(?, ''), ?, ?, ?)",
          std::string_view(row.key->id), std::string_view(row.key->format),
          std::string_view(row.key->uri_prefix), path, db::Blob{row.key->secret.view()},
          time(row.key->retired));
  }
  return false;
}

Result<RowReader> rows_in(const MemoryFile& file, const grantctl::RowFormat& format) {
  auto records = grantctl::read_csv(file.path());
  if (!records) return records.error();
  return RowReader::start(std::move(*records), format);
}

void try_rows(std::string_view text) {
  const MemoryFile file(text);
  auto reader = rows_in(file, {});
  if (!reader) {
    require(is_one_line(reader.error().message), "a refusal is one line");
    return;
  }
  std::string header;
  for (const auto column : grantctl::kPolicyColumns)
    header += (header.empty() ? "" : ",") + std::string(column);
  for (std::size_t i = 0; i < kMostRows; ++i) {
    const auto row = reader->next();
    if (!row) require(is_one_line(row.error().message), "a refusal is one line");
    if (!row || !*row) return;
    require(is_kept(**row), "SQLite's CHECKs take what was read");
    const Secret line = grantctl::to_csv(**row);
    const MemoryFile written(header + "\n" + std::string(line.view()) + "\n");
    auto again = rows_in(written, {});
    require(again.ok(), "what is written has columns");
    const auto same = again->next();
    require(same && *same && grantctl::to_csv(**same).view() == line.view(),
            "a row that is written is read as it was");
  }
}

}  // namespace

void try_input(std::string_view input) {
  try_records(input);
  try_rows(input);
}

}  // namespace grantfs::fuzz
