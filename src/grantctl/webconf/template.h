#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grantctl/webconf/site.h"

namespace grantctl::webconf {

/// A text for `@NAME@`; for a line that begins with `%NAME|`, whether it is there: if the text is
/// not empty. `%!NAME|` is the opposite. A line that is `@NAME@` alone has its value in its place,
/// of whole lines or none.
using Values = std::vector<std::pair<std::string_view, std::string_view>>;

/// What a site's kinds mean for every template.
struct Flags {
  explicit Flags(const Site& site)
      : cookie(site.has("cookie")),
        remote_user(site.has("remote-user")),
        session(cookie || remote_user),
        keys(site.has("link") || site.has("signature")),
        attach(!site.inline_active) {}

  bool cookie, remote_user;
  bool session;  ///< one of them: there is a private location
  bool keys;     ///< there are kinds whose URLs are keys
  bool attach;   ///< active types are sent as downloads
};

/// A kind whose token stands in the URL: that is the key.
struct KeyKind {
  std::string name;      ///< of the view, behind "by-"
  std::string noun;      ///< in a sentence
  std::string title;     ///< what makes such URLs
  std::string counted;   ///< what else the client's address is for
  std::string location;  ///< URL path; begins and ends with '/'
};

/// Those of the site.
std::vector<KeyKind> key_kinds(const Site& site);

/// The template for each of them, one behind the other: name, noun, title, counted, location and
/// its pattern, and `values`; mount, attach and inert as elsewhere.
std::string fill_keys(std::string_view text, const Site& site, const Values& values);

/// A value for %NAME|: there or not.
inline std::string_view flag(bool is_set) {
  return is_set ? "yes" : "";
}

/// The template with its values, and with what means the same in every one: attach, cookie,
/// cookie_note, inert, login, login_page, mount, public, sandbox. What stands in a value is not
/// looked at again.
std::string fill(std::string_view text, const Site& site, Values values);

/// The Content-Security-Policy of whatever is served: no script runs in it and no form is sent, be
/// it shown after all. It keeps its origin, because a film that is opened by itself is fetched in
/// parts, and a browser sends no SameSite cookie from an origin of its own.
inline constexpr std::string_view kSandbox = "sandbox allow-same-origin allow-downloads";

/// A literal text as a pattern of PCRE or RE2 that matches it alone.
std::string as_pattern(std::string_view text);

/// File names, lowercase and by extension, of what a browser shows without running anything in it:
/// a pattern of alternatives, for servers that can go by the name only.
extern const std::string_view kInertExtensions;

}  // namespace grantctl::webconf
