#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/language.h"

namespace grantctl::nginxconf {

/// A capturing group of a regular expression.
struct Group {
  std::string name;  ///< empty: none
  Language language;
  /// In a path that nginx normalised it takes whole components, from a slash to a slash or the end.
  bool begins_component = false;
  bool ends_component = false;
  bool is_between_slashes = false;  ///< a literal slash stands on both sides
  bool is_far_in = false;           ///< something that is no literal is matched before it
};

/// A regular expression as far as it is understood. What is not understood may match anything.
struct Pattern {
  std::vector<Group> groups;  ///< in the order of their numbers; $1 is the first
  Language whole;             ///< what the match as a whole may be
  bool at_start = false;      ///< it begins with ^
  bool at_end = false;        ///< it ends with $ or \z
  std::string prefix;         ///< the literal characters that it begins with, behind ^

  /// Whether what matches is matched from its beginning to its end.
  bool is_of_the_whole() const { return at_start && at_end; }
};

/// What understanding one may take: characters, and groups within groups.
inline constexpr std::size_t kLongestPattern = 4096;
inline constexpr unsigned kDeepestGroups = 100;

/// Reads a pattern as PCRE does (pcresyntax(3)), in time linear in its length. `is_too_deep` is set
/// if it is beyond the bounds above: then it may match anything. Not thread-safe.
Pattern understand(std::string_view pattern, bool* is_too_deep = nullptr);

}  // namespace grantctl::nginxconf
