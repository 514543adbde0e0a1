#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "grantfs/result.h"

namespace grantctl::nginxconf {

/// A place in a configuration: file and line. Lines count from 1.
struct Place {
  std::string file;
  unsigned line = 0;
};

/// `name argument...;` or `name argument... { block }`, without quotes and escapes. The directives
/// of an included file replace the `include`. The lines of a map or types block are directives too.
struct Directive {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<Directive> block;
  bool has_block = false;
  Place place;

  /// The last directive of that name directly in the block, since in most cases nginx takes the
  /// last one; null if there is none.
  const Directive* find(std::string_view wanted) const;
};

/// The most that a configuration may have, 16 MiB: all its files together, as often as they are
/// included.
inline constexpr std::size_t kMostBytes = std::size_t{16} << 20U;
inline constexpr std::size_t kMostDirectives = 200'000;
inline constexpr std::size_t kMostFiles = 2'000;
inline constexpr unsigned kDeepestIncludes = 20;
inline constexpr unsigned kDeepestBlocks = 30;

/// Reads a configuration in nginx's grammar (ngx_conf_file.c), and follows `include`. Included
/// paths are relative to the folder of `file`, as in nginx with its main file, or to that of the
/// including file. The result is a directive without a name whose block is the file. A program in
/// Lua is one argument.
///
/// kInvalid, with file and line, if the file cannot be read, is larger than the bounds above, or is
/// a configuration of another server.
grantfs::Result<Directive> parse_file(const std::filesystem::path& file);

}  // namespace grantctl::nginxconf
