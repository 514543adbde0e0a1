#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grantctl/webconf/site.h"

namespace grantctl::webconf {

/// The texts of a template. A text replaces `@NAME@`. A line that begins with `%NAME|` stays if the
/// text is not empty; with `%!NAME|` the line stays if the text is empty. A line that is `@NAME@`
/// alone becomes the text, which has whole lines or none.
using Values = std::vector<std::pair<std::string_view, std::string_view>>;

/// The meaning of a site's kinds for every template.
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

/// A kind whose token stands in the URL, so that the URL is the key.
struct KeyKind {
  std::string name;      ///< the view's name, behind "by-"
  std::string noun;      ///< the kind's name in a sentence
  std::string title;     ///< the title of things that make such URLs
  std::string counted;   ///< a clause on the other use of the client's address
  std::string location;  ///< URL path; begins and ends with '/'
};

/// The kinds of the site whose URLs are keys.
std::vector<KeyKind> key_kinds(const Site& site);

/// Fills the template for each of these kinds, one behind another. The values are name, noun,
/// title, counted, location and its pattern, then `values`; mount, attach and inert are those of
/// fill().
std::string fill_keys(std::string_view text, const Site& site, const Values& values);

/// The value of %NAME| for a flag.
inline std::string_view flag(bool is_set) {
  return is_set ? "yes" : "";
}

/// Fills the template with the values, and with those that are the same in every template: attach,
/// cookie, cookie_note, inert, login, login_page, mount, public, sandbox. Values are not filled
/// again.
std::string fill(std::string_view text, const Site& site, Values values);

/// The Content-Security-Policy of every served file. No script runs in the file and no form is
/// sent, even if the browser shows it. The file keeps its origin: a browser fetches a film that is
/// opened by itself in parts, and sends no SameSite cookie from an origin of the film's own.
inline constexpr std::string_view kSandbox = "sandbox allow-same-origin allow-downloads";

/// A pattern of PCRE or RE2 that matches the literal text alone.
std::string as_pattern(std::string_view text);

/// The extensions, in lowercase, of files that a browser shows without running anything in them. It
/// is a pattern of alternatives, for servers that can go only by the file's name.
extern const std::string_view kInertExtensions;

}  // namespace grantctl::webconf
