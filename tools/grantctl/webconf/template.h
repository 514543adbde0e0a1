#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace grantctl::webconf {

/// A text for `@NAME@`; for a line that begins with `%NAME|`, whether it is there: if the text is
/// not empty. `%!NAME|` is the opposite.
using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// The template with its values. What stands in a value is not looked at again.
std::string fill(std::string_view text, Values values);

/// A literal text as a pattern of PCRE or RE2 that matches it alone.
std::string as_pattern(std::string_view text);

/// A page that leads to the login page at once; it holds no double quote and no '$'.
std::string login_page(std::string_view url);

/// File names, lowercase and by extension, of what a browser shows without running anything in it:
/// a pattern of alternatives, for servers that can go by the name only.
extern const std::string_view kInertExtensions;

}  // namespace grantctl::webconf
