#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "webconf/site.h"

namespace grantctl::webconf {

/// A text for `@NAME@`; for a line that begins with `%NAME|`, whether it is there: if the text is
/// not empty. `%!NAME|` is the opposite.
using Values = std::initializer_list<std::pair<std::string_view, std::string_view>>;

/// What a site's kinds mean for every template.
struct Flags {
  explicit Flags(const Site& site)
      : cookie(site.has("cookie")),
        remote_user(site.has("remote-user")),
        session(cookie || remote_user),
        link(site.has("link")),
        attach(!site.inline_active) {}

  bool cookie, remote_user;
  bool session;  ///< one of them: there is a private location
  bool link;
  bool attach;  ///< active types are sent as downloads
};

/// A value for %NAME|: there or not.
inline std::string_view flag(bool is_set) {
  return is_set ? "yes" : "";
}

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
