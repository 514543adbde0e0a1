#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "grantfs/result.h"

namespace grantfs {

/// An application's own SQLite database as a source of rules and sessions, besides those of the
/// policy database: what its queries say counts as much as a grant does. Parameters are texts.
///
/// A path is that of the store behind `path_prefix`. A principal is asked about only if it begins
/// with `principal_prefix`, and without that: with "user:", `user:7` is asked about as `7`.
///
/// Each query may have a second column, when what it says ends: Unix seconds, or NULL for never.
struct SourceConfig {
  std::filesystem::path database;
  /// `:token` -> principal. What a session's token is, where the policy database has no such
  /// session; no row, or NULL: no session's. Empty: sessions are the policy database's alone.
  std::string who;
  /// `:principal`, `:path` -> 1: may read the path, and what lies below it if it is a folder. 0,
  /// NULL or no row: may not, by this path. Never asked about the whole store.
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
