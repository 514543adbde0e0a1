#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grantfs/table_source.h"

namespace grantfs {

/// What a kind of source writes.
struct SourceTarget {
  const char* kind;
  const char* table;  ///< of the policy
  const char* what;   ///< a row of it is, for people
  std::vector<std::string> key;
  const char* principal;  ///< the column with the principal
  bool ends;              ///< whether it has the column `expires`
};

/// The names and expressions of a source's SQL, all of them quoted.
class SourceNames {
 public:
  explicit SourceNames(const TableSource& source);

  const TableSource& source() const { return source_; }
  const SourceTarget& target() const { return target_; }
  const std::string& table() const { return table_; }
  /// As a text, for messages.
  std::string shown_table() const;
  /// Of the trigger function, which has no arguments, and of the rule function, which has a row of
  /// the table. No other source has it.
  const std::string& function() const { return function_; }
  std::string rule_signature() const { return function_ + '(' + table_ + ')'; }
  std::string row_trigger() const;
  std::string truncate_trigger() const;

  /// Whether rows of one key could name several principals.
  bool principal_is_free() const { return target_.key.size() == 1; }
  /// The columns that a source writes.
  std::vector<std::string> columns() const;
  /// Those that are no part of the key.
  std::vector<std::string> values() const;
  /// The application's columns by which rows of one key are found; an index serves them. Unquoted.
  std::vector<std::string> key_columns() const;

  std::string same_key(std::string_view a, std::string_view b) const;
  /// Whether a row of the policy is what `b` gives, and not what somebody else made of it.
  std::string same_rule(std::string_view a, std::string_view b) const;
  std::string same_key_columns(std::string_view a, std::string_view b) const;
  /// What rows of one key say together, as a value for each of values().
  std::vector<std::string> together(std::string_view rows) const;
  /// Raises that `key` is given to both principals: three expressions.
  std::string raise_conflict(std::string_view key, std::string_view one,
                             std::string_view other) const;
  /// Deletes what all rows give.
  std::string delete_given() const;

 private:
  const TableSource& source_;
  SourceTarget target_;
  std::string name_;  ///< of functions and triggers, not quoted
  std::string table_;
  std::string function_;
};

/// "a.NAME = b.NAME AND ..."
std::string all_same(const std::vector<std::string>& names, std::string_view a, std::string_view b);
/// "row.NAME, ..."
std::string all_of(std::string_view row, const std::vector<std::string>& names);

}  // namespace grantfs
