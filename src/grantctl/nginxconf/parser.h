#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "grantfs/result.h"

namespace grantctl::nginxconf {

/// Where something stands. Lines count from 1.
struct Place {
  std::string file;
  unsigned line = 0;
};

/// `name argument...;` or `name argument... { block }`. Quotes and escapes are taken off. What an
/// `include` brings stands in its place. The lines of a map or types block are directives too.
struct Directive {
  std::string name;
  std::vector<std::string> arguments;
  std::vector<Directive> block;
  bool has_block = false;
  Place place;

  /// The last directive of that name right in the block, as nginx takes most; null if none.
  const Directive* find(std::string_view wanted) const;
};

/// What a configuration may be: all its files together, as often as they are included.
inline constexpr std::size_t kMostBytes = std::size_t{16} << 20U;
inline constexpr std::size_t kMostDirectives = 200'000;
inline constexpr std::size_t kMostFiles = 2'000;
inline constexpr unsigned kDeepestIncludes = 20;
inline constexpr unsigned kDeepestBlocks = 30;

/// Reads a configuration in nginx's grammar (ngx_conf_file.c), following `include`: relative to the
/// folder of `file`, as nginx does with its main file, or of the including file. The result is a
/// directive without a name whose block is the file. Programs in Lua are one argument each.
///
/// kInvalid, with file and line, if it cannot be read, is larger than the bounds above, or is a
/// configuration of another server.
grantfs::Result<Directive> parse_file(const std::filesystem::path& file);

}  // namespace grantctl::nginxconf
