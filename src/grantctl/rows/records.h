#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/result.h"

namespace grantctl {

/// Records of named columns, read one after the other: a CSV file, or the rows of a query.
class Records {
 public:
  virtual ~Records() = default;
  Records() = default;
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  virtual const std::vector<std::string>& columns() const = 0;
  /// On to the next record; false at the end. The error says where.
  virtual grantfs::Result<bool> next() = 0;
  /// A value of the record at hand; none for NULL, and for what is empty in a CSV file. kInvalid
  /// if it is of a type that is none of a text or a whole number. Good until next().
  virtual grantfs::Result<std::optional<std::string_view>> value(std::size_t column) const = 0;
  /// Where the record at hand stands: the line that it begins on, or the number of the row.
  virtual std::int64_t number() const = 0;
  /// What number() counts, for messages: "photos.csv line".
  virtual const std::string& numbered() const = 0;
};

/// A CSV file (RFC 4180) whose first record names the columns; "-" is standard input. Values are
/// bytes: any encoding, a UTF-8 byte order mark before the first is skipped, spaces count. Lines
/// may end with LF alone; empty ones are skipped.
grantfs::Result<std::unique_ptr<Records>> read_csv(const std::string& file);

/// The rows of a query on an SQLite database, which is opened read-only. kInvalid if the query is
/// not one statement that reads.
grantfs::Result<std::unique_ptr<Records>> read_query(const std::string& file,
                                                     const std::string& sql);

/// A name as SQL takes it, whatever is in it: "uploads".
std::string sql_name(std::string_view name);

/// A value as a CSV file takes it: in quotes where it needs them.
std::string csv_value(std::string_view value);

}  // namespace grantctl
