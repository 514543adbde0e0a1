#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "nginxconf/parser.h"

namespace grantctl::nginxconf {

/// The names of the variables in a text: $name and ${name}.
std::vector<std::string> variables_in(std::string_view text);

/// Whether that is the name of a captured group's variable: $1 and so on.
bool is_number(const std::string& name);

/// Which pattern $1, $2, ... come from at some place, and what it was matched against.
struct Captures {
  std::string pattern;
  bool of_path = false;    ///< against the request's normalised path; else against a variable
  bool of_client = false;  ///< that variable is the client's to choose
};

/// Which variables hold what a client chose, unchecked: $cookie_x, $arg_x, $http_x and what a
/// `set`, a `map` or a pattern makes of them. A configuration's variables are one for all its
/// blocks.
class Variables {
 public:
  explicit Variables(const Directive& top);

  /// The first variable in `text` that may hold "../", "/" or the like; $1 and so on are of
  /// `captures`. `checked` are those that an `if` has compared with a pattern before.
  std::optional<std::string> unchecked_in(std::string_view text,
                                          const std::optional<Captures>& captures,
                                          const std::set<std::string>& checked) const;

  /// The captures of `location ~ PATTERN`, `if ($x ~ PATTERN)`, `rewrite PATTERN ...`; none for
  /// other directives.
  std::optional<Captures> captures_of(const Directive& directive) const;

 private:
  bool is_unchecked(const std::string& name) const;
  bool learn(const Directive& block, const std::optional<Captures>& captures);
  bool learn_map(const Directive& map);
  bool learn_names(const Captures& captures);
  bool add(std::string name);

  std::set<std::string> unchecked_;
};

/// The variables that `if ($x !~ ^pattern$) { return ...; }` in this block lets be plain names
/// only.
std::set<std::string> checked_in(const Directive& block);

}  // namespace grantctl::nginxconf
