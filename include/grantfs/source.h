#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "grantfs/result.h"

namespace grantfs {

/// An application's own SQLite database as a source of rules and sessions, besides those of the
/// policy database: what its queries say counts as much as a grant does. Parameters are texts.
///
/// In the queries, a path of the store has `path_prefix` in front. A principal loses
/// `principal_prefix`, and the queries are not asked about one that does not begin with it: with
/// "user:", `user:7` is asked about as `7`, and `group:7` is not.
///
/// Each query may have a second column: the time at which its answer ends, in Unix seconds, or NULL
/// for never.
struct SourceConfig {
  std::filesystem::path database;
  /// `:token` -> the principal whose session's token that is. Asked where the policy database has
  /// no such session. No row, or NULL: it is no session's token. An empty query: sessions are those
  /// of the policy database alone.
  std::string who;
  /// `:principal`, `:path` -> 1 if the principal may read the path, with all below it if it is a
  /// folder. 0, NULL or no row: this path lets the principal read nothing; a folder above it still
  /// may. Never asked about the whole store.
  std::string allow;
  /// `:principal`, `:begin`, `:end` -> paths from `:begin` up to, not including, `:end`, in the
  /// order of bytes, that the principal may read: those below a folder. In any order.
  std::string list;
  std::string path_prefix;  ///< empty, or ends with a slash
  std::string principal_prefix = "user:";
};

/// Reads a configuration: a JSON object (comments allowed) whose members are called as the fields
/// above, and are texts or lists of lines. `database` is relative to the folder of the file.
/// kInvalid, naming the member, for anything else, and for a file that anyone may write; kSystem if
/// it cannot be read.
Result<SourceConfig> read_source_config(const std::filesystem::path& file);

}  // namespace grantfs
