#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace grantctl::nginxconf {

/// A capturing group of a regular expression.
struct Group {
  std::string name;          ///< empty: none
  std::string text;          ///< what stands in it
  bool after_slash = false;  ///< it begins right behind a literal '/'
};

/// The capturing groups in the order of their numbers; $1 is the first.
std::vector<Group> groups(std::string_view pattern);

/// Whether all that it matches is surely one plain name: no '/', no NUL, no '%', and no '.' at its
/// beginning. Knows
/// letters, digits, classes, \w, \d, alternatives, groups and repetitions; whatever else is in it
/// makes it not sure.
bool matches_plain_names(std::string_view pattern);

/// Whether it is ^...$ around such a pattern: a value that matches is plain as a whole.
bool admits_plain_names_only(std::string_view pattern);

}  // namespace grantctl::nginxconf
