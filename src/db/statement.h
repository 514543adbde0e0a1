#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/parameter.h"
#include "db/rows.h"
#include "grantfs/result.h"

namespace grantfs::db {

/// A prepared statement, for repeated use. It must not outlive its connection's use.
class Statement {
 public:
  /// None; only assignment makes it of use.
  Statement() = default;

  /// Binds all parameters in order and hands out the rows. Text must stay alive as long as the
  /// Rows do: it is not copied. One Rows at a time.
  template <class... Arguments>
  Rows run(const Arguments&... arguments) {
    int result = SQLITE_OK;
    int index = 0;
    ((result = result == SQLITE_OK ? bind(++index, arguments) : result), ...);
    return Rows(handle_.get(), result);
  }

  /// run(), for statements that return nothing.
  template <class... Arguments>
  Result<void> execute(const Arguments&... arguments) {
    Rows rows = run(arguments...);
    auto row = rows.next();
    if (!row) return row.error();
    return {};
  }

  /// run(), with a text for each parameter, in the order of parameters().
  Rows run_with(std::span<const std::string_view> texts);
  /// run(), with a value for each parameter.
  Rows run_with(std::span<const Parameter> parameters);
  /// The names of its parameters, each with the sign before it; empty for one without a name.
  std::vector<std::string> parameters() const;

  /// Whether it changes no database (sqlite3_stmt_readonly).
  bool is_read_only() const;
  /// The names of the columns of its result.
  std::vector<std::string> columns() const;

 private:
  friend class Connection;
  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  explicit Statement(sqlite3_stmt* handle) : handle_(handle) {}

  int bind(int index, std::string_view text);
  int bind(int index, std::int64_t value);
  int bind(int index, const std::optional<std::int64_t>& value);
  int bind(int index, Blob blob);
  int bind_any(int index, const Parameter& parameter);

  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

}  // namespace grantfs::db
