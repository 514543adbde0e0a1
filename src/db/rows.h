#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "grantfs/result.h"

namespace grantfs::db {

/// How SQLite stores a value (datatype3.html).
enum class Type { kNull, kInteger, kReal, kText, kBlob };

/// The rows of a statement under way. Resets the statement when it goes, which ends the read.
/// Values are views into SQLite's memory, good until the next call of next().
class Rows {
 public:
  explicit Rows(sqlite3_stmt* statement, int bind_result)
      : statement_(statement), bind_result_(bind_result) {}
  ~Rows();
  Rows(Rows&& other) noexcept : statement_(other.statement_), bind_result_(other.bind_result_) {
    other.statement_ = nullptr;
  }
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  Rows& operator=(Rows&&) = delete;

  /// Steps. True: a row is there to read. False: no more.
  Result<bool> next();

  /// How many there are in the row at hand: SQLite prepares anew when the schema has changed.
  int columns() const;
  Type type(int column) const;
  /// A value of any type but NULL as text.
  std::string_view text(int column) const;
  std::int64_t integer(int column) const;
  bool is_null(int column) const;
  /// NULL is none.
  std::optional<std::int64_t> maybe_integer(int column) const;

 private:
  sqlite3_stmt* statement_;
  int bind_result_;
};

}  // namespace grantfs::db
