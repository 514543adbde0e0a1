#include "grantctl/webconf/site.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/parse_integer.h"
#include "base/quote.h"

namespace grantctl::webconf {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

constexpr std::string_view kAlphanumeric =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool holds_only(std::string_view text, std::string_view punctuation) {
  return std::ranges::all_of(text, [punctuation](char c) {
    return kAlphanumeric.find(c) != kAlphanumeric.npos || punctuation.find(c) != punctuation.npos;
  });
}

/// Whether no component is empty, '.' or '..': "//" and "/./" are refused.
bool has_plain_components(std::string_view path) {
  const std::string closed = std::string(path) + '/';
  return closed.find("/./") == closed.npos && closed.find("/../") == closed.npos &&
         path.find("//") == path.npos;
}

Error unfit(std::string_view option, std::string_view value, std::string_view wanted) {
  return {ErrorKind::kInvalid,
          fmt::format("{} {} will not do: it must be {}", option, grantfs::quoted(value), wanted)};
}

Result<void> check_location(std::string_view option, std::string_view path) {
  if (path.size() > 2 && path.starts_with('/') && path.ends_with('/') &&
      has_plain_components(path.substr(0, path.size() - 1)) && holds_only(path, "/._-")) {
    return {};
  }
  return unfit(option, path,
               "a path like /files/, of letters, digits and ._-, with '/' at both ends");
}

bool overlap(std::string_view one, std::string_view other) {
  return one.starts_with(other) || other.starts_with(one);
}

/// Checks the URL paths: each by itself, and that none lies within another.
Result<void> check_locations(const Site& site) {
  const std::array<std::pair<std::string_view, std::string_view>, 6> locations = {
      {{"--location", site.location},
       {"--public", site.public_location},
       {"--links", site.link_location},
       {"--signed", site.signed_location},
       {"--secure-link", site.md5_location},
       {"--streams", site.stream_location}}};
  for (const auto& [option, path] : locations) {
    if (auto checked = check_location(option, path); !checked) return checked;
    for (const auto& [other, place] : locations) {
      if (option != other && overlap(path, place)) {
        return Error{ErrorKind::kInvalid, fmt::format("{} and {} must be apart", option, other)};
      }
    }
  }
  return {};
}

/// Refuses kinds that exclude one another, and options without their kind.
Result<void> check_kinds(const Site& site) {
  if (site.has("cookie") && site.has("remote-user")) {
    return Error{ErrorKind::kInvalid,
                 "--kind cookie and remote-user answer at the same URLs; choose one"};
  }
  if (site.by_address && !site.has("cookie")) {
    return Error{ErrorKind::kInvalid, "--by-address is for --kind cookie"};
  }
  if (!site.login.empty() && !site.has("cookie")) {
    return Error{ErrorKind::kInvalid, "--login is for --kind cookie"};
  }
  return {};
}

Result<void> check_listen(const Site& site) {
  const std::string host = site.host();
  const std::string port = site.port();
  const auto number = grantfs::parse_integer<unsigned>(port);
  const bool is_port = number && *number > 0 && *number <= 65535;
  const bool is_bracketed = host.starts_with('[') && host.ends_with(']') &&
                            holds_only(host.substr(1, host.size() - 2), ":.") && host.size() > 3;
  if (is_port && (is_bracketed || holds_only(host, ".-"))) return {};
  return unfit("--listen", site.listen, "[HOST:]PORT, like 127.0.0.1:8080, [::1]:8080 or 80");
}

}  // namespace

std::string Site::host() const {
  const auto colon = listen.rfind(':');
  return colon == listen.npos ? "" : listen.substr(0, colon);
}

std::string Site::port() const {
  const auto colon = listen.rfind(':');
  return colon == listen.npos ? listen : listen.substr(colon + 1);
}

Result<void> check_without_md5(const Site& site) {
  if (!site.has("md5") && !site.has("md5-folder")) return {};
  return Error{ErrorKind::kInvalid,
               "--kind md5 and md5-folder are for URLs as nginx's secure_link has them, and "
               "written for nginx alone"};
}

Result<void> check(const Site& site) {
  if (auto checked = check_kinds(site); !checked) return checked;
  if (!site.mount.starts_with('/') || site.mount.ends_with('/') ||
      !has_plain_components(site.mount) || !holds_only(site.mount, "/._+-")) {
    return unfit("--mount", site.mount,
                 "an absolute path of letters, digits and ._+-, without '/' at the end");
  }
  if (auto checked = check_listen(site); !checked) return checked;
  if (auto checked = check_locations(site); !checked) return checked;
  if (!site.users.empty() && (!site.users.starts_with('/') || !holds_only(site.users, "/._+-"))) {
    return unfit("--users", site.users, "an absolute path of letters, digits and ._+-");
  }
  if (!site.log.empty() && (!site.log.starts_with('/') || !holds_only(site.log, "/._+-"))) {
    return unfit("--access-log", site.log, "an absolute path of letters, digits and ._+-");
  }
  for (const auto& [option, name] :
       {std::pair{"--arg-md5", &site.md5_argument}, {"--arg-expires", &site.expires_argument}}) {
    if (name->empty() || !holds_only(*name, "_")) {
      return unfit(option, *name, "a name of letters, digits and _");
    }
  }
  if (site.cookie.empty() || !holds_only(site.cookie, "_-")) {
    return unfit("--cookie", site.cookie, "a name of letters, digits, - and _");
  }
  const bool is_url = site.login.starts_with('/') || site.login.starts_with("https://") ||
                      site.login.starts_with("http://");
  if (!site.login.empty() && (!is_url || !holds_only(site.login, "/._~:?=-"))) {
    return unfit("--login", site.login, "a path or an http(s) URL of letters, digits and /._~:?=-");
  }
  return {};
}

}  // namespace grantctl::webconf
