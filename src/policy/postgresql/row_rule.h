#pragma once

#include <string>
#include <vector>

#include "grantfs/table_source.h"

namespace grantfs {

/// What one row of a TableSource gives, as SQL.
struct RowRule {
  /// The columns of `select`, with their types. They are called as those of the policy's table; the
  /// last one, `fault`, says what is wrong with the row, and names it; NULL: nothing.
  std::string columns;
  /// Of the row $1: a row, or none if it gives nothing. Planners put it in the place of a call.
  std::string select;
};
RowRule row_rule(const TableSource& source);

}  // namespace grantfs
