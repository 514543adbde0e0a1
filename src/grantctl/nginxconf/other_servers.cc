#include "grantctl/nginxconf/other_servers.h"

#include <array>
#include <cctype>
#include <set>
#include <system_error>
#include <utility>

namespace grantctl::nginxconf {

namespace {

/// Words that begin a block in a configuration of Apache, and no line in one of nginx.
constexpr std::array<std::string_view, 6> kApacheBlocks = {
    "<VirtualHost", "<Directory", "<Location", "<IfModule", "<Files", "<If "};
const std::set<std::string_view> kApache = {
    "LoadModule", "ServerRoot", "DocumentRoot", "RewriteEngine", "RewriteRule", "RewriteCond",
    "ServerName", "Listen",     "Alias",        "AliasMatch",    "Require",     "IncludeOptional",
    "ErrorLog",   "CustomLog",  "Header",       "AllowOverride"};
const std::set<std::string_view> kCaddy = {
    "reverse_proxy", "file_server", "handle", "handle_path", "encode", "respond",   "php_fastcgi",
    "tls",           "basicauth",   "root*",  "uri",         "redir",  "try_files", "admin",
    "auto_https",    "log",         "header", "vars",        "import"};

std::string_view trimmed(std::string_view line) {
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == line.npos) return {};
  return line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin);
}

bool is_lighttpd(std::string_view line) {
  if (line.starts_with("$HTTP[") || line.starts_with("$SERVER[") ||
      line.starts_with("$REQUEST_HEADER[") || line.starts_with("else $HTTP[")) {
    return true;
  }
  // module.option = or +=
  const auto end = line.find_first_of(" \t=+:");
  if (end == line.npos || end == 0) return false;
  const auto rest = trimmed(line.substr(end));
  return line.substr(0, end).find('.') != line.npos &&
         (rest.starts_with("=") || rest.starts_with("+=") || rest.starts_with(":="));
}

bool is_apache(std::string_view line) {
  for (const std::string_view block : kApacheBlocks) {
    if (line.starts_with(block)) return true;
  }
  return !line.ends_with(';') && kApache.contains(line.substr(0, line.find_first_of(" \t")));
}

bool is_caddy(std::string_view line) {
  if (line.ends_with(';')) return false;
  return kCaddy.contains(line.substr(0, line.find_first_of(" \t{")));
}

}  // namespace

std::string other_server(std::string_view text) {
  unsigned apache = 0;
  unsigned caddy = 0;
  unsigned lighttpd = 0;
  unsigned nginx = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == text.npos ? text.size() : end + 1);
    if (line.empty() || line.starts_with('#')) continue;
    if (is_lighttpd(line)) {
      ++lighttpd;
    } else if (is_apache(line)) {
      ++apache;
    } else if (is_caddy(line)) {
      ++caddy;
    } else if (line.find(';') != line.npos) {
      ++nginx;
    }
  }
  if (nginx >= apache + caddy + lighttpd) return {};
  if (apache >= caddy && apache >= lighttpd) return "Apache";
  return lighttpd >= caddy ? "lighttpd" : "Caddy";
}

std::string other_server_in(const std::filesystem::path& folder) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kMain = {
      std::pair{"apache2.conf", "Apache"}, std::pair{"httpd.conf", "Apache"},
      std::pair{"Caddyfile", "Caddy"}, std::pair{"lighttpd.conf", "lighttpd"}};
  for (const auto& [file, server] : kMain) {
    std::error_code unknown;
    if (std::filesystem::exists(folder / file, unknown)) return std::string(server);
  }
  return {};
}

}  // namespace grantctl::nginxconf
