#include "webconf/site.h"
#include "webconf/template.h"

namespace grantctl::webconf {

using grantfs::Result;

namespace {

constexpr std::string_view kNginx =
    R"conf(# Private files behind nginx, as `grantctl webconf nginx` writes it. Include it in http {}: on Debian,
# put it in /etc/nginx/conf.d/. Serve files under a host name of their own, over https, so that a page
# somebody uploaded has no cookie of your application; and give nginx's user no other way to the store.
@cookie_note@
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
@key_maps@
%md5|
%md5|# What secure_link's URLs carry, if it is of their form: ?md5=...&expires=...
%md5|map $arg_md5 $grantfs_md5 {
%md5|    default _none;
%md5|    "~^(?<grantfs_md5_sum>[A-Za-z0-9_-]{22})$" $grantfs_md5_sum;
%md5|}
%md5|map $arg_expires $grantfs_md5_expires {
%md5|    default _none;
%md5|    "~^(?<grantfs_md5_time>[0-9]{1,11})$" $grantfs_md5_time;
%md5|}

%attach|# Only what a browser shows without running anything in it is shown: pictures, sound, film, plain text,
%attach|# PDF, and nginx's own listings. Everything else is downloaded; an uploaded page would be a page of
%attach|# this site.
%attach|map "$sent_http_content_type $uri" $grantfs_disposition {
%attach|    default attachment;
%attach|    "~^ " "";  # a 304, which has no type: what was said of the file stands
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
@keys@
%md5|    # URLs that were made for secure_link: make a key of format md5 with the secret and expression that
%md5|    # they are made with, and --uri-prefix @md5_location@. It says which file, so all else is 403.
%md5|    location ^~ @md5_location@ {
%md5|        alias @mount@/from/$remote_addr/by-md5/$grantfs_md5_expires/$grantfs_md5@md5_location@;
%md5|        if (!-f $request_filename) {
%md5|            return 403;
%md5|        }
%md5|        error_page 403 404 = @grantfs_md5_ended;
%md5|        add_header Cache-Control "private, no-cache" always;
%md5|        add_header X-Content-Type-Options nosniff always;
%md5|        add_header Referrer-Policy no-referrer always;
%attach_md5|        add_header Content-Disposition $grantfs_disposition;
%md5|        access_log off;
%md5|        error_log /dev/null emerg;
%md5|    }
%md5|
%md5|    # 410: it has expired, and was right.
%md5|    location @grantfs_md5_ended {
%md5|        access_log off;
%md5|        error_log /dev/null emerg;
%md5|        if (-f @mount@/from/$remote_addr/expired/by-md5/$grantfs_md5_expires/$grantfs_md5$uri) {
%md5|            return 410;
%md5|        }
%md5|        return 403;
%md5|    }
%md5|
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

/// For the error page, of each kind whose URLs are keys.
constexpr std::string_view kNginxKeyMap = R"conf(
# The token of a @noun@ that is asked for, to say whether it has expired.
map $uri $grantfs_@name@ {
    default _none;
    "~^@pattern@(?<grantfs_@name@_token>[A-Za-z0-9_-]{16,255})(?:/|$)" $grantfs_@name@_token;
}
)conf";

constexpr std::string_view kNginxKey = R"conf(    # @title@: the token is in the URL.
    # The path says where the client is, so that what is bound to an address works@counted@.
    # Behind a proxy of your own, set real_ip_header and set_real_ip_from.
    location ^~ @location@ {
        alias @mount@/from/$remote_addr/by-@name@/;
        autoindex on;
        error_page 403 = @at@grantfs_@name@_ended;
        add_header Cache-Control "private, no-cache" always;
        add_header X-Content-Type-Options nosniff always;
        # The URL is the key: it is in no log, and is not told to other sites.
        add_header Referrer-Policy no-referrer always;
%attach|        add_header Content-Disposition $grantfs_disposition;
        access_log off;
        error_log /dev/null emerg;
    }

    # 410: it has expired. 403: there is no such @noun@, or it was taken back.
    location @at@grantfs_@name@_ended {
        access_log off;
        error_log /dev/null emerg;
        if (-f @mount@/expired/$grantfs_@name@) {
            return 410;
        }
        return 403;
    }

)conf";

}  // namespace

Result<std::string> nginx(const Site& site) {
  const Flags flags(site);
  return fill(kNginx, site,
              {{"remote_user", flag(flags.remote_user)},
               {"session", flag(flags.session)},
               {"attach_session", flag(flags.attach && flags.session)},
               {"from", site.by_address ? "from/$remote_addr/" : ""},
               {"users", site.users.empty() ? "/etc/nginx/grantfs.htpasswd" : site.users},
               {"listen", site.listen},
               {"location", site.location},
               {"location_open", site.location.substr(0, site.location.size() - 1)},
               {"md5", flag(site.has("md5"))},
               {"attach_md5", flag(flags.attach && site.has("md5"))},
               {"md5_location", site.md5_location},
               {"key_maps", fill_keys(kNginxKeyMap, site)},
               {"keys", fill_keys(kNginxKey, site)}});
}

}  // namespace grantctl::webconf
