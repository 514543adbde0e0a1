#include "db/statement.h"

#include <cstddef>

namespace grantfs::db {

Rows Statement::run_with(std::span<const std::string_view> texts) {
  int result = SQLITE_OK;
  for (std::size_t i = 0; i < texts.size() && result == SQLITE_OK; ++i) {
    result = bind(static_cast<int>(i) + 1, texts[i]);
  }
  return Rows(handle_.get(), result);
}

Rows Statement::run_with(std::span<const Parameter> parameters) {
  int result = SQLITE_OK;
  for (std::size_t i = 0; i < parameters.size() && result == SQLITE_OK; ++i) {
    result = bind_any(static_cast<int>(i) + 1, parameters[i]);
  }
  return Rows(handle_.get(), result);
}

std::vector<std::string> Statement::parameters() const {
  std::vector<std::string> names;
  for (int i = 1; i <= sqlite3_bind_parameter_count(handle_.get()); ++i) {
    const char* name = sqlite3_bind_parameter_name(handle_.get(), i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

bool Statement::is_read_only() const {
  return sqlite3_stmt_readonly(handle_.get()) != 0;
}

std::vector<std::string> Statement::columns() const {
  std::vector<std::string> names;
  for (int i = 0; i < sqlite3_column_count(handle_.get()); ++i) {
    const char* name = sqlite3_column_name(handle_.get(), i);
    names.emplace_back(name == nullptr ? "" : name);
  }
  return names;
}

int Statement::bind(int index, std::string_view text) {
  // A null pointer would bind NULL. An empty text is meant here.
  return sqlite3_bind_text64(handle_.get(), index, text.data() == nullptr ? "" : text.data(),
                             text.size(), SQLITE_STATIC, SQLITE_UTF8);
}

int Statement::bind(int index, std::int64_t value) {
  return sqlite3_bind_int64(handle_.get(), index, value);
}

int Statement::bind(int index, const std::optional<std::int64_t>& value) {
  return value ? bind(index, *value) : sqlite3_bind_null(handle_.get(), index);
}

int Statement::bind(int index, Blob blob) {
  const char* bytes = blob.bytes.data() == nullptr ? "" : blob.bytes.data();
  return sqlite3_bind_blob64(handle_.get(), index, bytes, blob.bytes.size(), SQLITE_STATIC);
}

int Statement::bind_any(int index, const Parameter& parameter) {
  if (const auto* text = std::get_if<std::string_view>(&parameter)) return bind(index, *text);
  if (const auto* value = std::get_if<std::int64_t>(&parameter)) return bind(index, *value);
  if (const auto* blob = std::get_if<Blob>(&parameter)) return bind(index, *blob);
  return sqlite3_bind_null(handle_.get(), index);
}

}  // namespace grantfs::db
