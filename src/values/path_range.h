#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grantfs/store_path.h"

namespace grantfs {

/// Paths from `begin` up to, not including, `end`, in the byte order of the indexes: what a query
/// asks for by `path >= ?1 AND path < ?2`, as the path is spelt in the database.
struct PathRange {
  std::string begin;
  std::string end;

  /// The path that is spelt so, alone.
  static PathRange only(std::string_view spelling);
  /// Every path strictly below the folder. Below the whole store, that includes its own spelling,
  /// which lies in the midst of this range: a caller for whom it counts asks about it first.
  static PathRange below(const StorePath& folder);
  /// Every text that begins with the prefix, which is empty or ends with a slash.
  static PathRange beginning_with(std::string prefix);
};

/// The path itself and every path below it; of the whole store, every path. One or two ranges.
std::vector<PathRange> subtree_ranges(const StorePath& path);

/// The first text that sorts after this path, and before any other: no path holds a zero byte.
std::string after_path(std::string_view path);
/// The first text that sorts after every path below this folder.
std::string after_subtree(std::string_view folder);

}  // namespace grantfs
