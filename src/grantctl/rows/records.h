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

/// Reads records of named columns one after another, from a CSV file or from the rows of a query.
class Records {
 public:
  virtual ~Records() = default;
  Records() = default;
  Records(const Records&) = delete;
  Records& operator=(const Records&) = delete;

  virtual const std::vector<std::string>& columns() const = 0;
  /// Goes to the next record, and returns false at the end. The error says where it is.
  virtual grantfs::Result<bool> next() = 0;
  /// A value of the current record; none for NULL, and for an empty value of a CSV file. kInvalid
  /// if the value is neither a text nor a whole number. The value is good until next().
  virtual grantfs::Result<std::optional<std::string_view>> value(std::size_t column) const = 0;
  /// Where the current record stands: the line that it begins on, or the number of the row.
  virtual std::int64_t number() const = 0;
  /// At the end: whether it is known that these are all the records. A stream may have broken off,
  /// unless its last line was `\.`; a file and a query have an end of their own.
  virtual bool is_complete() const { return true; }
  /// The thing that number() counts, for messages: "photos.csv line".
  virtual const std::string& numbered() const = 0;
};

/// Reads a CSV file (RFC 4180) whose first record names the columns; "-" is standard input. Values
/// are bytes of any encoding, and spaces count. A UTF-8 byte order mark before the first value is
/// skipped. Lines may end with LF alone; empty lines are skipped. A line `\.` ends the records, as
/// with COPY of PostgreSQL; nothing may follow it.
grantfs::Result<std::unique_ptr<Records>> read_csv(const std::string& file);

/// Reads the rows of a query on an SQLite database, which is opened read-only. kInvalid if the
/// query is not one statement that only reads.
grantfs::Result<std::unique_ptr<Records>> read_query(const std::string& file,
                                                     const std::string& sql);

/// The name quoted for SQL, whatever characters are in it: "uploads".
std::string sql_name(std::string_view name);

/// The value as a CSV file has it: in quotes if it needs them.
std::string csv_value(std::string_view value);

}  // namespace grantctl
