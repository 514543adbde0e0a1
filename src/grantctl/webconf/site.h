#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/result.h"

namespace grantctl::webconf {

/// The site to write a configuration for. Each text stands in four configuration languages, and
/// some texts in patterns. So check() accepts only texts that mean themselves in all of them.
struct Site {
  /// How requests show who asks: cookie or remote-user, link, signature, md5. The kind `public`
  /// asks for no identity.
  std::vector<std::string> kinds = {"cookie"};
  std::string mount = "/srv/files";       ///< where grantfs is mounted
  std::string listen = "127.0.0.1:8080";  ///< [HOST:]PORT
  std::string location = "/private/";     ///< URL path of private files; begins and ends with '/'
  std::string public_location = "/public/";  ///< likewise, of files granted to everyone
  std::string link_location = "/link/";      ///< likewise, of links
  std::string signed_location = "/signed/";  ///< likewise, of signed URLs
  std::string md5_location = "/files/";      ///< likewise, of secure_link's URLs
  std::string stream_location = "/stream/";  ///< likewise, of folders signed as secure_link's URLs
  std::string cookie = "__Host-files";       ///< name of the cookie that holds the token
  std::string md5_argument = "md5";          ///< of secure_link's URLs, the argument of the MD5
  std::string expires_argument = "expires";  ///< likewise, of the expiry
  std::string log;             ///< the access log, where URLs are keys; empty: a default
  std::string users;           ///< the server's file of users; empty: a default
  std::string login;           ///< URL of the login page; empty: none
  bool by_address = false;     ///< the path says where the client is: sessions may be bound to it
  bool inline_active = false;  ///< HTML, SVG and the like are shown, not downloaded

  bool has(std::string_view kind) const { return std::ranges::find(kinds, kind) != kinds.end(); }
  /// The parts of `listen`; no host means every address. IPv6 keeps its brackets.
  std::string host() const;
  std::string port() const;
};

/// Returns kInvalid if a text could mean something else in a configuration. The error names the
/// option.
grantfs::Result<void> check(const Site& site);

/// For the servers other than nginx: returns kInvalid for settings that only nginx supports.
grantfs::Result<void> check_without_md5(const Site& site);

/// The complete configuration of each server; `site` must have passed check(). lighttpd tells its
/// rewriting neither the user nor the address, so settings that need them are kInvalid there.
grantfs::Result<std::string> nginx(const Site& site);
grantfs::Result<std::string> apache(const Site& site);
grantfs::Result<std::string> caddy(const Site& site);
grantfs::Result<std::string> lighttpd(const Site& site);

}  // namespace grantctl::webconf
