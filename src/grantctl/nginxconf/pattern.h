#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/language.h"

namespace grantctl::nginxconf {

/// A capturing group of a regular expression.
struct Group {
  std::string name;  ///< empty: the group has no name
  Language language;
  /// In a path that nginx has normalised, the group takes whole components, from a slash to a slash
  /// or to the end.
  bool begins_component = false;
  bool ends_component = false;
  bool is_between_slashes = false;  ///< a literal slash stands on both sides
  bool is_far_in = false;           ///< something other than a literal is matched before it
};

/// A regular expression, as far as the parser understands it. A part that it does not understand
/// may match any text.
struct Pattern {
  std::vector<Group> groups;  ///< in the order of their numbers; $1 is the first
  Language whole;             ///< the texts that the match as a whole may be
  bool at_start = false;      ///< the pattern begins with ^
  bool at_end = false;        ///< the pattern ends with $ or \z
  std::string prefix;         ///< the literal characters at the beginning, behind ^

  /// Whether a match always takes the subject from its beginning to its end.
  bool is_of_the_whole() const { return at_start && at_end; }
};

/// The bounds of a pattern: its characters, and the depth of groups within groups.
inline constexpr std::size_t kLongestPattern = 4096;
inline constexpr unsigned kDeepestGroups = 100;

/// Reads a pattern as PCRE does (pcresyntax(3)), in time linear in its length. `is_too_deep` is set
/// if the pattern is beyond the bounds above. Such a pattern may match any text. Not thread-safe.
Pattern understand(std::string_view pattern, bool* is_too_deep = nullptr);

}  // namespace grantctl::nginxconf
