#include "webconf/site.h"
#include "webconf/template.h"

namespace grantctl::webconf {

namespace {

constexpr std::string_view kNginx =
    R"conf(# Private files behind nginx, as `grantctl webconf nginx` writes it. Include it in http {}: on Debian,
# put it in /etc/nginx/conf.d/. Serve files under a host name of their own, over https, so that a page
# somebody uploaded has no cookie of your application; and give nginx's user no other way to the store.
%cookie|#
%cookie|# The application sets, after login, a cookie that holds a token from `grantctl session create`:
%cookie|#
%cookie|#   Set-Cookie: @cookie@=TOKEN; Secure; HttpOnly; SameSite=Lax; Path=/
%cookie|#
%cookie|# __Host- means that no other host of your domain can plant one. A browser accepts such a cookie
%cookie|# over https only; curl sends it anywhere. It is a cookie of its own, not the application's session:
%cookie|# if it ever leaks, it opens files and nothing else.
%cookie|
%cookie|# The token, if the cookie holds one and nothing else; else a name that never is a session.
%cookie|# This pattern is what keeps "../" out of the path: never put a raw $cookie_ or $arg_ into one. Of
%cookie|# several cookies of that name the first counts, whatever it holds. ($cookie_NAME cannot be used:
%cookie|# a variable's name has no '-'.)
%cookie|map $http_cookie $grantfs_session {
%cookie|    default _anon;
%cookie|    "~^(?:(?!\s*@cookie@\s*=)[^;]*;)*\s*@cookie@=(?<grantfs_token>[A-Za-z0-9_-]{16,255})\s*(?:;|$)" $grantfs_token;
%cookie|}

%attach|# Only what a browser shows without running anything in it is shown: pictures, sound, film, plain text,
%attach|# PDF, and nginx's own listings. Everything else is downloaded; an uploaded page would be a page of
%attach|# this site.
%attach|map "$sent_http_content_type $uri" $grantfs_disposition {
%attach|    default attachment;
%attach|    "~^text/plain|^application/pdf|^(?:image|audio|video)/(?!svg)|/$" "";
%attach|}
%attach|
server {
    listen @listen@;
    server_name _;
    server_tokens off;

    # This cache would answer for up to a minute without asking grantfs.
    open_file_cache off;

    sendfile on;
    etag on;
    absolute_redirect off;
    add_header X-Content-Type-Options nosniff always;

    location / {
        return 404;
    }

%cookie|    # What the session may see. 403: no session, or one that has ended. 404: not there, or not yours.
%cookie|    # Both the location and the alias end in '/'; without it, "@location_open@../" would be a way out.
%cookie|    location ^~ @location@ {
%cookie|        alias @mount@/by-session/$grantfs_session/;
%cookie|        autoindex on;
%login|        error_page 403 @grantfs_login;
%cookie|
%cookie|        # A browser may keep a copy, nobody else may, and it asks each time whether it still holds.
%cookie|        # (add_header here hides those above: hence nosniff again.)
%cookie|        add_header Cache-Control "private, no-cache" always;
%cookie|        add_header X-Content-Type-Options nosniff always;
%attach_private|        add_header Content-Disposition $grantfs_disposition;
%cookie|
%cookie|        # Whatever nginx says of a file names its path, and the token is in it: "crit" is not enough,
%cookie|        # since a mount that does not answer is told at crit. `grantctl check` says why a file is refused.
%cookie|        error_log /dev/null emerg;
%cookie|    }
%cookie|
%login|    # 403, with a page that leads on to the login.
%login|    location @grantfs_login {
%login|        types {}
%login|        default_type text/html;
%login|        add_header Cache-Control no-store always;
%login|        return 403 '@login_page@';
%login|    }
%login|
    # What is granted to everyone.
    location ^~ @public@ {
        alias @mount@/public/;
        autoindex on;
        add_header Cache-Control "public, no-cache" always;
        add_header X-Content-Type-Options nosniff always;
%attach|        add_header Content-Disposition $grantfs_disposition;
    }
}
)conf";

}  // namespace

std::string nginx(const Site& site) {
  const bool cookie = site.kind == "cookie";
  const std::string location_open = site.location.substr(0, site.location.size() - 1);
  return fill(kNginx, {{"cookie", cookie ? site.cookie : ""},
                       {"attach", site.inline_active ? "" : "yes"},
                       {"attach_private", cookie && !site.inline_active ? "yes" : ""},
                       {"listen", site.listen},
                       {"location", site.location},
                       {"location_open", location_open},
                       {"public", site.public_location},
                       {"mount", site.mount},
                       {"login", cookie ? site.login : ""},
                       {"login_page", login_page(site.login)}});
}

}  // namespace grantctl::webconf
