#pragma once

#include <string>

#include "grantfs/result.h"

namespace grantctl::webconf {

/// What to write a configuration for. Each text stands in four configuration languages, and some of
/// them in patterns: check() lets in only what means itself in all of them.
struct Site {
  std::string kind = "cookie";            ///< how a request shows who asks
  std::string mount = "/srv/files";       ///< where grantfs is mounted
  std::string listen = "127.0.0.1:8080";  ///< [HOST:]PORT
  std::string location = "/private/";     ///< URL path of what is private; begins and ends with '/'
  std::string public_location = "/public/";  ///< likewise, of what is granted to everyone
  std::string cookie = "__Host-files";       ///< name of the cookie that holds the token
  std::string login;                         ///< URL of the login page; empty: none
  bool inline_active = false;                ///< HTML, SVG and the like are shown, not downloaded

  /// The parts of `listen`; no host means every address. IPv6 keeps its brackets.
  std::string host() const;
  std::string port() const;
};

/// kInvalid if anything of it could mean something else in a configuration; names the option.
grantfs::Result<void> check(const Site& site);

/// The configuration of each server, complete; `site` has been checked.
std::string nginx(const Site& site);
std::string apache(const Site& site);
std::string caddy(const Site& site);
std::string lighttpd(const Site& site);

}  // namespace grantctl::webconf
