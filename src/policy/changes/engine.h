#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "db/parameter.h"
#include "grantfs/result.h"
#include "grantfs/secret.h"

// What a policy's changes need of a database engine, so that one SQL text serves every engine.
// Both read: ?1 and so on for parameters, ON CONFLICT ... DO UPDATE, IS NOT DISTINCT FROM,
// unixepoch(), and || of texts.
namespace grantfs {

using db::Blob;
using db::Parameter;

inline Parameter parameter(std::string_view text) {
  return text;
}
inline Parameter parameter(std::int64_t value) {
  return value;
}
inline Parameter parameter(const std::optional<std::int64_t>& value) {
  return value ? Parameter(*value) : Parameter();
}
inline Parameter parameter(Blob blob) {
  return blob;
}

/// The row at hand of a query. Views are good until the query goes on.
class ChangeRow {
 public:
  virtual ~ChangeRow() = default;

  virtual int columns() const = 0;
  /// Of any type but bytes; empty for NULL.
  virtual std::string_view text(int column) const = 0;
  virtual std::int64_t integer(int column) const = 0;
  virtual bool is_null(int column) const = 0;
  /// A column of bytes.
  virtual Secret blob(int column) const = 0;
  /// NULL is none.
  std::optional<std::int64_t> maybe_integer(int column) const {
    if (is_null(column)) return std::nullopt;
    return integer(column);
  }
};

using TakeRow = std::function<Result<void>(const ChangeRow&)>;

/// A statement for repeated use. It must not outlive its engine.
class ChangeStatement {
 public:
  virtual ~ChangeStatement() = default;

  /// Calls `take` for each row. It must run no other statement. An error that it returns ends the
  /// query, and is returned.
  virtual Result<void> for_each(std::span<const Parameter> parameters, const TakeRow& take) = 0;
  /// Runs one INSERT, UPDATE or DELETE, and returns how many rows it changed.
  virtual Result<std::int64_t> change(std::span<const Parameter> parameters) = 0;
  /// change() for each of many rows of parameters, without waiting for each; the sum.
  virtual Result<std::int64_t> change_each(const std::vector<std::vector<Parameter>>& rows) = 0;
};

/// A temporary table: its columns as SQL, with the types TEXT, BIGINT and BYTEA, and a primary key.
struct TemporaryTable {
  const char* name;
  const char* columns;
  int bytea_column = -1;  ///< the number of the column of that type; -1: none
};

/// A connection to the database of a policy. One thread at a time.
class Engine {
 public:
  enum class Transaction {
    kRead,   ///< one snapshot for several statements
    kWrite,  ///< as if no other change were made meanwhile
  };

  virtual ~Engine() = default;

  virtual Result<void> begin(Transaction kind) = 0;
  virtual Result<void> commit() = 0;
  /// Of a transaction that failed, too.
  virtual void roll_back() = 0;
  /// Whether the transaction that has just failed may succeed if it is run again; waits for a
  /// moment then. `attempt` counts from 1.
  virtual bool is_worth_another_try(int attempt) = 0;

  virtual Result<std::unique_ptr<ChangeStatement>> prepare(std::string_view sql) = 0;

  /// The error with the database's name once, in front.
  virtual Error named(const Error& error) const = 0;

  /// Makes an empty temporary table.
  virtual Result<void> make_temporary(const TemporaryTable& table) = 0;
  virtual void drop_temporary(const TemporaryTable& table) = 0;
  /// The engine in whose temporary tables a bulk import collects its rows: this one, or one on this
  /// machine. It lives as long as this one.
  virtual Result<Engine*> staging() = 0;
  /// Brings the rows of temporary tables from staging() here, if that is another engine.
  virtual Result<void> take_staged(std::span<const TemporaryTable> tables) = 0;
};

}  // namespace grantfs
