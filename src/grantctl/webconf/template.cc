#include "grantctl/webconf/template.h"

#include <fmt/core.h>

#include <stdexcept>

namespace grantctl::webconf {

const std::string_view kInertExtensions =
    "txt|text|log|md|csv|pdf|png|apng|jpe?g|gif|webp|avif|bmp|ico|tiff?|heic|"
    "mp4|m4v|webm|ogv|mov|mpe?g|mp3|m4a|aac|ogg|oga|opus|flac|wav";

namespace {

std::string_view value_of(std::string_view name, const Values& values) {
  for (const auto& [key, value] : values) {
    if (key == name) return value;
  }
  throw std::logic_error(fmt::format("a template has no value for {}", name));
}

/// The name, if the line is `@NAME@` and has nothing else.
std::string_view only_name(std::string_view line) {
  if (!line.starts_with('@') || !line.ends_with("@\n")) return {};
  const auto name = line.substr(1, line.size() - 3);
  return name.find('@') == name.npos ? name : std::string_view();
}

std::string fill_line(std::string_view line, const Values& values) {
  std::string filled;
  while (true) {
    const auto begin = line.find('@');
    const auto end = begin == line.npos ? begin : line.find('@', begin + 1);
    if (end == line.npos) return filled.append(line);
    const auto name = line.substr(begin + 1, end - begin - 1);
    const bool is_name = !name.empty() && name.find_first_not_of(
                                              "abcdefghijklmnopqrstuvwxyz_0123456789") == name.npos;
    filled.append(line.substr(0, is_name ? begin : end));
    if (is_name) filled.append(value_of(name, values));
    line.remove_prefix(is_name ? end + 1 : end);
  }
}

std::string fill(std::string_view text, const Values& values) {
  std::string filled;
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n') + 1);
    if (line.empty()) line = text;
    text.remove_prefix(line.size());
    if (line.starts_with('%')) {
      const auto bar = line.find('|');
      const bool negated = line.starts_with("%!");
      const auto name = line.substr(negated ? 2 : 1, bar - (negated ? 2 : 1));
      if (value_of(name, values).empty() != negated) continue;
      line.remove_prefix(bar + 1);
    }
    if (const auto name = only_name(line); !name.empty()) {
      filled += value_of(name, values);
      continue;
    }
    filled += fill_line(line, values);
  }
  return filled;
}

/// Every template's remark on the cookie, for sites that have one.
constexpr std::string_view kCookieNote =
    R"conf(%cookie|#
%cookie|# The application sets, after login, a cookie that holds a token from `grantctl session create`:
%cookie|#
%of_one_host|#   Set-Cookie: @cookie@=TOKEN; Secure; HttpOnly; SameSite=Lax; Path=/
%of_one_host|#
%of_one_host|# __Host- means that no other host of your domain can plant one, nor get it: the application must answer
%of_one_host|# at this host too, if only with its login. Where it has a host of its own, write this with --cookie
%of_one_host|# __Secure-files, and set, with the domain that both have in common:
%of_one_host|#
%of_one_host|#   Set-Cookie: __Secure-files=TOKEN; Domain=example.org; Secure; HttpOnly; SameSite=Lax; Path=/
%of_one_host|#
%of_one_host|# Any host of that domain gets that one, and can plant one that shows somebody else's files.
%of_one_host|#
%of_domain|#   Set-Cookie: @cookie@=TOKEN; Domain=example.org; Secure; HttpOnly; SameSite=Lax; Path=/
%of_domain|#
%of_domain|# Domain is what this host and the application's have in common: any host of it gets the cookie, and can
%of_domain|# plant one that shows somebody else's files. Where the application answers at this host itself, leave
%of_domain|# --cookie out: the name __Host-files is safe from that.
%of_domain|#
%cookie|# A browser accepts such a cookie over https only; curl sends it anywhere. It is a cookie of its own, not
%cookie|# the application's session: if it ever leaks, it opens files and nothing else.
)conf";

/// A page that sends the browser to the login page at once. The page holds no double quote and no
/// '$'.
std::string login_page(std::string_view url) {
  return fmt::format(
      "<!doctype html><meta charset=utf-8><title>Log in</title>"
      "<meta http-equiv=refresh content=0;url={0}><a href={0}>Log in</a>",
      url);
}

}  // namespace

std::string fill(std::string_view text, const Site& site, Values values) {
  const Flags flags(site);
  const std::string cookie = flags.cookie ? site.cookie : "";
  const bool of_one_host = cookie.starts_with("__Host-");
  const std::string note = fill(kCookieNote, {{"cookie", cookie},
                                              {"of_one_host", flag(of_one_host)},
                                              {"of_domain", flag(flags.cookie && !of_one_host)}});
  const std::string page = login_page(site.login);
  values.insert(values.end(), {{"attach", flag(flags.attach)},
                               {"cookie", cookie},
                               {"cookie_note", note},
                               {"inert", kInertExtensions},
                               {"login", site.login},
                               {"login_page", page},
                               {"mount", site.mount},
                               {"public", site.public_location},
                               {"sandbox", kSandbox}});
  return fill(text, values);
}

std::vector<KeyKind> key_kinds(const Site& site) {
  std::vector<KeyKind> kinds;
  if (site.has("link")) {
    kinds.push_back({"link", "link",
                     "Links, as `grantctl link create --url-prefix .../" +
                         site.link_location.substr(1) + "` prints them",
                     ", and uses are counted for each", site.link_location});
  }
  if (site.has("signature")) {
    kinds.push_back({"signature", "signature",
                     "Signed URLs, as `grantctl sign --url-prefix .../" +
                         site.signed_location.substr(1) + "` prints them",
                     "", site.signed_location});
  }
  return kinds;
}

std::string fill_keys(std::string_view text, const Site& site, const Values& values) {
  std::string filled;
  for (const KeyKind& kind : key_kinds(site)) {
    const std::string pattern = as_pattern(kind.location);
    Values all = {{"at", "@"},           {"name", kind.name},       {"noun", kind.noun},
                  {"title", kind.title}, {"counted", kind.counted}, {"location", kind.location},
                  {"pattern", pattern}};
    all.insert(all.end(), values.begin(), values.end());
    filled += fill(text, site, std::move(all));
  }
  return filled;
}

std::string as_pattern(std::string_view text) {
  std::string pattern;
  for (const char c : text) {
    if (c == '.' || c == '+') pattern += '\\';
    pattern += c;
  }
  return pattern;
}

}  // namespace grantctl::webconf
