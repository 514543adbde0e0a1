#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "db/parameter.h"
#include "follow/tables.h"
#include "grantfs/secret.h"

namespace grantfs::follow {

/// The values of a row as SQLite takes them, from PostgreSQL's texts. One row at a time: clear()
/// before the next. The texts must live as long as the values are used.
class RowValues {
 public:
  void clear() {
    parameters_.clear();
    bytes_.clear();
  }
  void add_null() { parameters_.emplace_back(); }
  /// A number stays the text that it is: a STRICT table makes it a number, or refuses it. False if
  /// the text is none of a bytea.
  bool add(ColumnType type, std::string_view text);

  const std::vector<db::Parameter>& parameters() const { return parameters_; }

 private:
  std::vector<db::Parameter> parameters_;
  std::vector<Secret> bytes_;  ///< of signing keys
};

/// The fields of a line of COPY's text format; a null pointer is NULL. `line` is the line without
/// its newline, and is overwritten: the fields lie in it. None if it is malformed.
std::optional<std::vector<std::optional<std::string_view>>> copy_fields(std::string& line);

}  // namespace grantfs::follow
