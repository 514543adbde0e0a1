#include "postgres/answer.h"

#include <libpq-fe.h>

#include "base/hex.h"
#include "base/parse_integer.h"

namespace grantfs::postgres {

void Answer::Clear::operator()(pg_result* result) const {
  PQclear(result);
}

int Answer::rows() const {
  return PQntuples(result_.get());
}

int Answer::columns() const {
  return PQnfields(result_.get());
}

bool Answer::is_null(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::string_view Answer::text(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}

std::int64_t Answer::integer(int row, int column) const {
  return parse_integer<std::int64_t>(text(row, column)).value_or(0);
}

std::int64_t Answer::changed() const {
  return parse_integer<std::int64_t>(PQcmdTuples(result_.get())).value_or(0);
}

Secret bytea_text(std::string_view bytes) {
  Secret text("\\x");
  append_hex(text, bytes);
  return text;
}

std::optional<Secret> bytea_bytes(std::string_view text) {
  if (!text.starts_with("\\x")) return std::nullopt;
  return bytes_of_hex<Secret>(text.substr(2));
}

}  // namespace grantfs::postgres
