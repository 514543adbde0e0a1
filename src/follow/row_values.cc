#include "follow/row_values.h"

#include <utility>

#include "postgres/connection.h"

namespace grantfs::follow {
namespace {

/// The character that a backslash and this one stand for.
char unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    default:
      return c;
  }
}

}  // namespace

bool RowValues::add(ColumnType type, std::string_view text) {
  if (type != ColumnType::kBytea) {
    parameters_.emplace_back(text);
    return true;
  }
  auto bytes = postgres::bytea_bytes(text);
  if (!bytes) return false;
  // The bytes of one column: no other moves them when it is added.
  bytes_.reserve(1);
  if (!bytes_.empty()) return false;
  bytes_.push_back(std::move(*bytes));
  parameters_.emplace_back(db::Blob{bytes_.back().view()});
  return true;
}

std::optional<std::vector<std::optional<std::string_view>>> copy_fields(std::string& line) {
  std::vector<std::optional<std::string_view>> fields;
  std::size_t begin = 0;  // of the field, in what has been written
  std::size_t end = 0;    // of what has been written
  bool is_null = false;
  const auto finish = [&] {
    if (is_null) {
      fields.emplace_back();
    } else {
      fields.emplace_back(std::string_view(line).substr(begin, end - begin));
    }
    begin = end;
    is_null = false;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\t') {
      finish();
    } else if (line[i] != '\\') {
      line[end++] = line[i];
    } else if (++i == line.size()) {
      return std::nullopt;
    } else if (line[i] == 'N') {
      is_null = true;
    } else {
      line[end++] = unescaped(line[i]);
    }
  }
  finish();
  return fields;
}

}  // namespace grantfs::follow
