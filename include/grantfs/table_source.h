#pragma once

#include <cstddef>
#include <string>

namespace grantfs {

/// A table of an application's, in the PostgreSQL database of the policy, as a source of rules,
/// memberships or sessions: what a transaction writes to the table is in the policy when it
/// commits. Triggers on the table see to that, so the application has nothing to do.
///
/// A column that is NULL or an empty text gives nothing. Rows that give the same count together:
/// the right ends with the last of them, at the latest of their ends.
struct TableSource {
  /// Of a name in PostgreSQL (NAMEDATALEN); what is longer, it cuts off.
  static constexpr std::size_t kMostNameBytes = 63;

  enum class Kind {
    kOwn,      ///< a row makes its principal the owner of its path, which must have no other one
    kGrant,    ///< a row grants its principal its path
    kMember,   ///< a row makes its principal a member of its group
    kSession,  ///< a row lets its principal in by its token
  };
  Kind kind = Kind::kGrant;
  std::string schema;
  std::string table;
  std::string principal_column;
  std::string principal_prefix;  ///< what the column lacks of a principal: "user:"; or empty
  std::string path_column;       ///< kOwn, kGrant
  std::string strip_prefix;      ///< what the column has before a path; empty, or ends with a slash
  std::string group_column;      ///< kMember
  std::string group_prefix;      ///< what the column lacks of a group: "group:"; or empty
  std::string token_column;      ///< kSession
  bool token_is_hashed = false;  ///< the column has the SHA-256 of the token
  std::string expires_column;    ///< all but kOwn; empty: what a row gives has no end
  bool expires_is_number = false;  ///< the column has Unix seconds, and not a timestamp
  bool skip_invalid = false;  ///< a row that the policy cannot take gives nothing; else an error
  /// The triggers run as the role grantfs_source, and not as who writes the table.
  bool security_definer = false;
  /// How this was asked for. It is kept with the triggers, and they are not replaced by those of
  /// another one.
  std::string command;
};

// SQL for psql(1), one transaction. Every name and text is quoted, whatever is in it; none may have
// a zero byte. Any thread may call these.

/// Makes the triggers, and writes what the rows give that are there already, while nobody changes
/// the table. Harmless if it is run again.
std::string table_source_sql(const TableSource& source);
/// Removes the triggers of that source, and what the rows give.
std::string table_source_drop_sql(const TableSource& source);

}  // namespace grantfs
