#include <array>
#include <memory>

#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/webconf/check.h"
#include "grantctl/webconf/site.h"

namespace grantctl {

using grantfs::Result;

namespace {

struct WebServer {
  const char* name;
  const char* what;
  const char* example;
  grantfs::Result<std::string> (*write)(const webconf::Site& site);
};

constexpr std::array kWebServers = {
    WebServer{"nginx", "Write a configuration for nginx",
              "  grantctl webconf nginx >/etc/nginx/conf.d/grantfs.conf", webconf::nginx},
    WebServer{"apache", "Write a configuration for Apache",
              "  grantctl webconf apache >/etc/apache2/sites-available/grantfs.conf",
              webconf::apache},
    WebServer{"caddy", "Write a configuration for Caddy",
              "  grantctl webconf caddy >/etc/caddy/Caddyfile", webconf::caddy},
    WebServer{"lighttpd", "Write a configuration for lighttpd",
              "  grantctl webconf lighttpd >/etc/lighttpd/conf-available/50-grantfs.conf",
              webconf::lighttpd},
};

Result<int> run_webconf(const WebServer& server, const webconf::Site& site) {
  if (auto checked = webconf::check(site); !checked) return checked.error();
  auto text = server.write(site);
  if (!text) return text.error();
  print_text(*text);
  return kDone;
}

void add_web_server(CLI::App& parent, Context& context, const WebServer& server) {
  CLI::App& command = add_command(parent, server.name, server.what, server.example);
  auto site = std::make_shared<webconf::Site>();
  command
      .add_option("--kind", site->kinds,
                  "how requests show who asks: cookie (the default), remote-user, link, signature, "
                  "md5, md5-folder, or public (they need not); may be repeated")
      ->check(CLI::IsMember(
          {"cookie", "remote-user", "link", "signature", "md5", "md5-folder", "public"}))
      ->allow_extra_args(false);
  command.add_option("--mount", site->mount, "where grantfs is mounted; default: /srv/files")
      ->type_name("DIR");
  command.add_option("--listen", site->listen, "address; default: 127.0.0.1:8080")
      ->type_name("[HOST:]PORT");
  command
      .add_option("--location", site->location, "URL path of what is private; default: /private/")
      ->type_name("PATH");
  command
      .add_option("--public", site->public_location,
                  "URL path of what is granted to everyone; default: /public/")
      ->type_name("PATH");
  command.add_option("--links", site->link_location, "URL path of links; default: /link/")
      ->type_name("PATH");
  command
      .add_option("--signed", site->signed_location, "URL path of signed URLs; default: /signed/")
      ->type_name("PATH");
  command
      .add_option("--secure-link", site->md5_location,
                  "URL path of URLs made for nginx's secure_link; default: /files/")
      ->type_name("PATH");
  command
      .add_option(
          "--streams", site->stream_location,
          "URL path of folders signed in that way, for films in segments; default: /stream/")
      ->type_name("PATH");
  command
      .add_option("--arg-md5", site->md5_argument,
                  "md5: the argument of those URLs that holds the MD5; default: md5")
      ->type_name("NAME");
  command
      .add_option("--arg-expires", site->expires_argument,
                  "md5: the argument that holds the expiry; default: expires")
      ->type_name("NAME");
  command
      .add_option("--access-log", site->log,
                  "nginx, link, signature and md5: the log, which names files and no tokens; "
                  "default: /var/log/nginx/access.log")
      ->type_name("FILE");
  command
      .add_option("--cookie", site->cookie,
                  "name of the cookie that holds the token; default: __Host-files")
      ->type_name("NAME");
  command.add_option("--login", site->login, "the login page, to which a 403 leads on")
      ->type_name("URL");
  command
      .add_option("--users", site->users,
                  "remote-user: the server's file of names and passwords; default: "
                  "/etc/nginx/grantfs.htpasswd, /etc/apache2/grantfs.htpasswd, "
                  "/etc/caddy/grantfs.users")
      ->type_name("FILE");
  command.add_flag("--by-address", site->by_address,
                   "cookie: serve sessions that are bound to the client's address too");
  command.add_flag("--inline-active", site->inline_active,
                   "show HTML, SVG and the like, without their scripts, not only download them");
  on_run(command, context,
         [&server, site](Context& /*shared*/) { return run_webconf(server, *site); });
}

}  // namespace

void add_webconf(CLI::App& app, Context& context) {
  CLI::App& command =
      add_command(app, "webconf", "A safe configuration for a web server, on standard output",
                  "  grantctl webconf nginx --mount /srv/files >/etc/nginx/conf.d/grantfs.conf");
  command.require_subcommand(1);
  for (const WebServer& server : kWebServers) add_web_server(command, context, server);
  add_webconf_check(command, context);
}

}  // namespace grantctl
