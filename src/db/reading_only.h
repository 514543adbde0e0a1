#pragma once

#include <sqlite3.h>

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/result.h"

namespace grantfs::db {

/// Limits SQL that is not our own. It may read tables and views of the one database, use the
/// functions of a list, and ask the PRAGMAs data_version and schema_version. Everything else is
/// refused: virtual tables, those of pragmas included (SQLite before 3.41 refused these by itself,
/// later ones do not), other databases, functions that do more than compute. It is an authorizer
/// for sqlite3_set_authorizer().
///
/// One connection, one thread at a time.
class ReadingOnly {
 public:
  /// `tables`: the names of the tables and views that may be read.
  explicit ReadingOnly(const std::vector<std::string>& tables);

  /// For sqlite3_set_authorizer(), with the object as its first argument.
  static int judge(void* object, int action, const char* first, const char* second,
                   const char* database, const char* view);

  /// To be called before a statement is prepared. SQLite tells of a name that no column is read of
  /// in the same way whether it is a virtual table or one of the statement's own (WITH): such names
  /// are let through, and handed out by end_statement().
  void begin_statement() { undecided_.emplace(); }
  /// Ends what begin_statement() began. From now on only names that accept_own() accepted pass:
  /// SQLite prepares a statement anew by itself when the schema has changed.
  std::set<std::string> end_statement();
  /// Lets names that end_statement() returned pass from now on, for they are the statement's own.
  /// An error if one of them is more than that to the connection: a virtual table.
  Result<void> accept_own(sqlite3* handle, const std::set<std::string>& names);

 private:
  int judge_read(std::string_view table, std::string_view column, bool qualified);

  std::set<std::string> tables_;  ///< in lower case, as all names here
  std::set<std::string> own_;
  std::optional<std::set<std::string>> undecided_;  ///< while a statement is being prepared
};

/// The functions that it lets through, sorted.
std::vector<std::string_view> functions_for_reading();

}  // namespace grantfs::db
