#include "db/rows.h"

#include <cstddef>

#include "db/error.h"

namespace grantfs::db {

Rows::~Rows() {
  if (statement_ != nullptr) sqlite3_reset(statement_);
}

Result<bool> Rows::next() {
  const int result = bind_result_ == SQLITE_OK ? sqlite3_step(statement_) : bind_result_;
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return last_error(sqlite3_db_handle(statement_));
}

std::string_view Rows::text(int column) const {
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::int64_t Rows::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

int Rows::columns() const {
  return sqlite3_column_count(statement_);
}

Type Rows::type(int column) const {
  switch (sqlite3_column_type(statement_, column)) {
    case SQLITE_NULL:
      return Type::kNull;
    case SQLITE_INTEGER:
      return Type::kInteger;
    case SQLITE_TEXT:
      return Type::kText;
    case SQLITE_FLOAT:
      return Type::kReal;
    default:
      return Type::kBlob;
  }
}

bool Rows::is_null(int column) const {
  return type(column) == Type::kNull;
}

std::optional<std::int64_t> Rows::maybe_integer(int column) const {
  if (is_null(column)) return std::nullopt;
  return integer(column);
}

}  // namespace grantfs::db
