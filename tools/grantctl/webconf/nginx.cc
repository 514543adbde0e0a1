#include "webconf/site.h"
#include "webconf/template.h"

namespace grantctl::webconf {

using grantfs::Result;

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
%remote_user|
%remote_user|# The user whom nginx has authenticated, if it is a plain name: this pattern keeps "../" out of the path.
%remote_user|# Else a tab, which no user's name is.
%remote_user|# grantfs takes the server's word for it, so mount with server_group=. With client certificates, map
%remote_user|# what you trust of $ssl_client_s_dn here, and have ssl_verify_client on in place of auth_basic.
%remote_user|map $remote_user $grantfs_user {
%remote_user|    default "\t";
%remote_user|    "~^(?<grantfs_name>[A-Za-z0-9][A-Za-z0-9_@.-]{0,127})$" $grantfs_name;
%remote_user|}
%link|
%link|# The token of a link that is asked for, to say whether it has expired.
%link|map $uri $grantfs_link {
%link|    default _none;
%link|    "~^@link_pattern@(?<grantfs_link_token>[A-Za-z0-9_-]{16,255})(?:/|$)" $grantfs_link_token;
%link|}

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
%remote_user|    # What the user may see. 401: log in. 404: not there, or not yours.
%session|    # Both the location and the alias end in '/'; without it, "@location_open@../" would be a way out.
%session|    location ^~ @location@ {
%cookie|        alias @mount@/@from@by-session/$grantfs_session/;
%remote_user|        auth_basic "Files";
%remote_user|        auth_basic_user_file @users@;
%remote_user|        alias @mount@/by-user/$grantfs_user/;
%session|        autoindex on;
%login|        error_page 403 @grantfs_login;
%session|
%session|        # A browser may keep a copy, nobody else may, and it asks each time whether it still holds.
%session|        # (add_header here hides those above: hence nosniff again.)
%session|        add_header Cache-Control "private, no-cache" always;
%session|        add_header X-Content-Type-Options nosniff always;
%attach_session|        add_header Content-Disposition $grantfs_disposition;
%cookie|
%cookie|        # Whatever nginx says of a file names its path, and the token is in it: "crit" is not enough,
%cookie|        # since a mount that does not answer is told at crit. `grantctl check` says why a file is refused.
%cookie|        error_log /dev/null emerg;
%session|    }
%session|
%login|    # 403, with a page that leads on to the login.
%login|    location @grantfs_login {
%login|        types {}
%login|        default_type text/html;
%login|        add_header Cache-Control no-store always;
%login|        return 403 '@login_page@';
%login|    }
%login|
%link|    # Links, as `grantctl link create --url-prefix .../@link_bare@` prints them: the token is in the URL.
%link|    # The path says where the client is, so that links bound to an address work, and uses are counted
%link|    # for each client. Behind a proxy of your own, set real_ip_header and set_real_ip_from.
%link|    location ^~ @link_location@ {
%link|        alias @mount@/from/$remote_addr/by-link/;
%link|        autoindex on;
%link|        error_page 403 = @grantfs_link_ended;
%link|        add_header Cache-Control "private, no-cache" always;
%link|        add_header X-Content-Type-Options nosniff always;
%link|        # The URL is the key: it is in no log, and is not told to other sites.
%link|        add_header Referrer-Policy no-referrer always;
%attach_link|        add_header Content-Disposition $grantfs_disposition;
%link|        access_log off;
%link|        error_log /dev/null emerg;
%link|    }
%link|
%link|    # 410: it has expired. 403: there is no such link, or it was taken back.
%link|    location @grantfs_link_ended {
%link|        access_log off;
%link|        error_log /dev/null emerg;
%link|        if (-f @mount@/expired/$grantfs_link) {
%link|            return 410;
%link|        }
%link|        return 403;
%link|    }
%link|
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

Result<std::string> nginx(const Site& site) {
  const Flags flags(site);
  return fill(kNginx, {{"cookie", flags.cookie ? site.cookie : ""},
                       {"remote_user", flag(flags.remote_user)},
                       {"session", flag(flags.session)},
                       {"link", flag(flags.link)},
                       {"attach", flag(flags.attach)},
                       {"attach_session", flag(flags.attach && flags.session)},
                       {"attach_link", flag(flags.attach && flags.link)},
                       {"from", site.by_address ? "from/$remote_addr/" : ""},
                       {"users", site.users.empty() ? "/etc/nginx/grantfs.htpasswd" : site.users},
                       {"listen", site.listen},
                       {"location", site.location},
                       {"location_open", site.location.substr(0, site.location.size() - 1)},
                       {"link_location", site.link_location},
                       {"link_pattern", as_pattern(site.link_location)},
                       {"link_bare", site.link_location.substr(1)},
                       {"public", site.public_location},
                       {"mount", site.mount},
                       {"login", site.login},
                       {"login_page", login_page(site.login)}});
}

}  // namespace grantctl::webconf
