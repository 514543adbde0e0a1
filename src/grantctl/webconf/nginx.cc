#include "grantctl/webconf/site.h"
#include "grantctl/webconf/template.h"

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
%remote_user|# grantfs takes the server's word for it, and has by-user only for a group that is trusted so far: mount
%remote_user|# with by_user=www-data, if that is nginx's group. With client certificates, map what you trust of
%remote_user|# $ssl_client_s_dn here, and have ssl_verify_client on in place of auth_basic.
%remote_user|map $remote_user $grantfs_user {
%remote_user|    default "\t";
%remote_user|    "~^(?<grantfs_name>[A-Za-z0-9][A-Za-z0-9_@.-]{0,127})$" $grantfs_name;
%remote_user|}
%address|
%address|# Where the client is, for what is bound to an address. Who comes by a socket of this machine is nowhere,
%address|# and has what is bound to none. Behind a proxy of your own, set real_ip_header and set_real_ip_from.
%address|map $remote_addr $grantfs_from {
%address|    default from/$remote_addr/;
%address|    "~^unix:" "";
%address|}
@key_maps@
%md5|
%md5|# What secure_link's URLs carry, if it is of their form: ?@md5_argument@=...&@expires_argument@=...
%md5|map $arg_@md5_argument@ $grantfs_md5 {
%md5|    default _none;
%md5|    "~^(?<grantfs_md5_sum>[A-Za-z0-9_-]{22})(?:=[^,]?)?$" $grantfs_md5_sum;
%md5|}
%md5|map $arg_@expires_argument@ $grantfs_md5_expires {
%md5|    default _none;
%md5|    "~^(?<grantfs_md5_time>[0-9]{1,255})$" $grantfs_md5_time;
%md5|}
%md5_folder|
%md5_folder|# What a signed folder's URL carries, to say whether it has expired.
%md5_folder|map $uri $grantfs_stream {
%md5_folder|    default _none;
%md5_folder|    "~^@stream_pattern@(?<grantfs_stream_door>[0-9]{1,255}/[A-Za-z0-9_=-]{22,24})/" $grantfs_stream_door;
%md5_folder|}
%md5_folder|map $uri $grantfs_stream_uri {
%md5_folder|    default /;
%md5_folder|    "~(?s)^@stream_pattern@[^/]+/[^/]+(?<grantfs_stream_rest>/.*)$" $grantfs_stream_rest;
%md5_folder|}
%secret_urls|
%secret_urls|# What the log says of a request: which file, and never the token. Of what is none of these URLs, or is no
%secret_urls|# HTTP at all, it says "-". For that this server must be the default one at its address (default_server).
%secret_urls|map $uri $grantfs_logged_uri {
%secret_urls|    default -;
%secret_urls|    "~^@public_pattern@" $uri;
%logged_session|    "~^@location_pattern@" $uri;
@logged_keys@
%md5|    "~^@md5_pattern@" $uri;
%md5_folder|    "~^@stream_pattern@" @stream_location@-$grantfs_stream_uri;
%secret_urls|}
%secret_urls|log_format grantfs '$remote_addr - - [$time_local] "$request_method $grantfs_logged_uri $server_protocol" $status $body_bytes_sent';

%attach|# Only what a browser shows without running anything in it is shown: pictures, sound, film, plain text,
%attach|# PDF, and nginx's own listings. Everything else is downloaded; an uploaded page would be a page of
%attach|# this site.
%attach|map "$sent_http_content_type $uri" $grantfs_disposition {
%attach|    default attachment;
%attach|    "~^ " "";  # a 304, which has no type: what was said of the file stands
%attach|    "~^text/plain|^application/pdf|^(?:image|audio|video)/(?!svg)|/$" "";
%attach|}
%attach|
# What a cache may remember: a file, and that only to ask each time whether it still holds. No refusal, and
# no redirection.
%private|map $status $grantfs_private {
%private|    default no-store;
%private|    "~^(?:2|304)" "private, no-cache";
%private|}
map $status $grantfs_public {
    default no-store;
    "~^(?:2|304)" "public, no-cache";
}

# Nothing, by which sub_filter is switched off.
map "" $grantfs_nothing {
    default "";
}

server {
    listen @listen@;
    server_name _;
    server_tokens off;
    sendfile on;
    absolute_redirect off;
    recursive_error_pages off;
    add_header Cache-Control no-store always;
    add_header X-Content-Type-Options nosniff always;
%secret_urls|    add_header Referrer-Policy no-referrer always;
%secret_urls|    access_log @log@ grantfs;
%secret_urls|    error_log /dev/null emerg;

    location / {
        return 404;
    }

%cookie|    # What the session may see. 403: no session, or one that has ended. 404: not there, or not yours.
%remote_user|    # What the user may see. 401: log in. 404: not there, or not yours.
%session|    # Both the location and the alias end in '/'; without it, "@location_open@../" would be a way out.
%session|    location ^~ @location@ {
%cookie|        alias @mount@/@from@by-session/$grantfs_session/;
%remote_user|        satisfy all;
%remote_user|        auth_basic "Files";
%remote_user|        auth_basic_user_file @users@;
%remote_user|        alias @mount@/by-user/$grantfs_user/;
%session|        autoindex on;
%login|        error_page 403 @grantfs_login;
%session|
%session|        # A browser may keep a copy, nobody else may, and it asks each time whether it still holds.
%session|        # (add_header here hides those above: each location has them all.)
%session|        add_header Cache-Control $grantfs_private always;
@headers_session@
%cookie|
%cookie|        # Whatever nginx says of a file names its path, and the token is in it: "crit" is not enough,
%cookie|        # since a mount that does not answer is told at crit. `grantctl check` says why a file is refused.
%cookie|        error_log /dev/null emerg;
@serving_session@
%session|    }
%session|
%login|    # 403, with a page that leads on to the login.
%login|    location @grantfs_login {
%login|        types {}
%login|        default_type text/html;
%login|        charset utf-8;
%login|        ssi off;
%login|        sub_filter $grantfs_nothing "";
%login|        add_before_body "";
%login|        add_after_body "";
%login|        expires off;
%login|        add_header Cache-Control no-store always;
%login|        add_header X-Content-Type-Options nosniff always;
%login|        return 403 '@login_page@';
%login|    }
%login|
@keys@
@md5_locations@
    # What is granted to everyone.
    location ^~ @public@ {
        alias @mount@/public/;
        autoindex on;
        add_header Cache-Control $grantfs_public always;
@headers@
@serving@
    }
}
)conf";

/// For locations that serve files: the headers that say what a browser may do with them.
constexpr std::string_view kNginxHeaders =
    R"conf(        add_header X-Content-Type-Options nosniff always;
        add_header Content-Security-Policy "@sandbox@" always;
%attach|        add_header Content-Disposition $grantfs_disposition;
)conf";

/// For locations that serve files: settings that would break these locations if http {} had other
/// ones.
constexpr std::string_view kNginxServing = R"conf(
        # Whatever the rest of your configuration has of these does not count here: caches that would answer
        # without asking grantfs, index pages in place of a listing, programs and texts in somebody's page.
        open_file_cache off;
        index .none;
        ssi off;
        sub_filter $grantfs_nothing "";
        add_before_body "";
        add_after_body "";
        gzip_static off;
        default_type application/octet-stream;
        charset off;
        etag on;
        if_modified_since exact;
        expires off;
        disable_symlinks off;
        autoindex_format html;
        recursive_error_pages off;
)conf";

/// For the locations that say why a URL is refused.
constexpr std::string_view kNginxRefusing =
    R"conf(        add_header Cache-Control no-store always;
        add_header X-Content-Type-Options nosniff always;
        add_header Referrer-Policy no-referrer always;
        expires off;
        recursive_error_pages off;
        access_log @log@ grantfs;
        error_log /dev/null emerg;
)conf";

/// For the error page: a part for each kind whose URLs are keys.
constexpr std::string_view kNginxKeyMap = R"conf(
# The token of a @noun@ that is asked for, to say whether it has expired.
map $uri $grantfs_@name@ {
    default _none;
    "~^@pattern@(?<grantfs_@name@_token>[A-Za-z0-9_-]{16,255})(?:/|$)" $grantfs_@name@_token;
}
)conf";

constexpr std::string_view kNginxLoggedKey =
    R"conf(    "~(?s)^@pattern@[^/]*(?<grantfs_@name@_file>/.*)?$" @location@-$grantfs_@name@_file;
)conf";

constexpr std::string_view kNginxKey = R"conf(    # @title@: the token is in the URL.
    # The path says where the client is, so that what is bound to an address works@counted@.
    location ^~ @location@ {
        alias @mount@/${grantfs_from}by-@name@/;
        autoindex on;
        error_page 403 = @at@grantfs_@name@_ended;
        add_header Cache-Control $grantfs_private always;
        # The URL is the key: it is not told to other sites, and the log has the file's name alone.
        add_header Referrer-Policy no-referrer always;
@headers@
        access_log @log@ grantfs;
        error_log /dev/null emerg;
@serving@
    }

    # 410: it has expired. 403: there is no such @noun@, or it was taken back.
    location @at@grantfs_@name@_ended {
@refusing@
        if (-f @mount@/expired/$grantfs_@name@) {
            return 410;
        }
        return 403;
    }

)conf";

/// For by-md5: the location that answers, and the reasons why it refuses.
constexpr std::string_view kNginxMd5 = R"conf(@comment@
    location ^~ @md5_location@ {
        alias @mount@/${grantfs_from}by-md5/@inside@;
        autoindex off;
        if (!-f $request_filename) {
            return 403;
        }
        error_page 403 404 = @at@grantfs_@name@_ended;
        add_header Cache-Control $grantfs_private always;
        add_header Referrer-Policy no-referrer always;
@headers@
        access_log @log@ grantfs;
        error_log /dev/null emerg;
@serving@
    }

    # 410: it has expired, and was right.
    location @at@grantfs_@name@_ended {
@refusing@
        if (-f @mount@/${grantfs_from}expired/by-md5/@expired@) {
            return 410;
        }
        return 403;
    }

)conf";

/// The locations of URLs that were made for secure_link, and of signed folders.
std::string md5_locations(const Site& site, const Values& in_keys) {
  std::string filled;
  const auto add = [&](std::string_view name, const std::string& comment,
                       const std::string& location, const std::string& inside,
                       const std::string& expired) {
    Values values = {{"at", "@"},          {"name", name},
                     {"comment", comment}, {"md5_location", location},
                     {"inside", inside},   {"expired", expired}};
    values.insert(values.end(), in_keys.begin(), in_keys.end());
    filled += fill(kNginxMd5, site, std::move(values));
  };
  const std::string& urls = site.md5_location;
  if (site.has("md5")) {
    add("md5",
        "    # URLs that were made for secure_link: make a key of format md5 with the secret and "
        "expression that\n"
        "    # they are made with, and --uri-prefix " +
            urls + ". It says which file, so all else is 403.\n",
        urls, "$grantfs_md5_expires/$grantfs_md5" + urls, "$grantfs_md5_expires/$grantfs_md5$uri");
  }
  const std::string& streams = site.stream_location;
  if (site.has("md5-folder")) {
    add("stream",
        "    # Signed folders, such as a film in segments: " + streams +
            "EXPIRES/MD5/URI, where the MD5 is that of a\n"
            "    # folder above the URI, by a key whose expression has $folder. Whatever a "
            "playlist "
            "names beside itself has\n"
            "    # the signature in its own URL by that.\n",
        streams, "", "$grantfs_stream$grantfs_stream_uri");
  }
  return filled;
}

}  // namespace

Result<std::string> nginx(const Site& site) {
  const Flags flags(site);
  const std::string log = site.log.empty() ? "/var/log/nginx/access.log" : site.log;
  const std::string headers = fill(kNginxHeaders, site, {});
  const std::string refusing = fill(kNginxRefusing, site, {{"log", log}});
  const std::string serving(kNginxServing);
  const Values in_keys = {
      {"log", log}, {"headers", headers}, {"serving", serving}, {"refusing", refusing}};
  const auto where = [](bool is_there, const std::string& text) {
    return std::string_view(is_there ? text : std::string_view());
  };
  const bool has_md5 = site.has("md5");
  const bool has_folders = site.has("md5-folder");
  const bool has_secret_urls = flags.keys || has_md5 || has_folders;
  return fill(kNginx, site,
              {{"remote_user", flag(flags.remote_user)},
               {"session", flag(flags.session)},
               {"private", flag(flags.session || has_secret_urls)},
               {"address", flag(has_secret_urls || site.by_address)},
               {"from", site.by_address ? "${grantfs_from}" : ""},
               {"users", site.users.empty() ? "/etc/nginx/grantfs.htpasswd" : site.users},
               {"listen", site.listen},
               {"location", site.location},
               {"location_open", site.location.substr(0, site.location.size() - 1)},
               {"location_pattern", as_pattern(site.location)},
               {"public_pattern", as_pattern(site.public_location)},
               {"md5_pattern", as_pattern(site.md5_location)},
               {"md5", flag(has_md5)},
               {"md5_argument", site.md5_argument},
               {"expires_argument", site.expires_argument},
               {"secret_urls", flag(has_secret_urls)},
               {"logged_session", flag(flags.session && has_secret_urls)},
               {"log", log},
               {"headers", headers},
               {"headers_session", where(flags.session, headers)},
               {"serving", serving},
               {"serving_session", where(flags.session, serving)},
               {"md5_folder", flag(has_folders)},
               {"stream_location", site.stream_location},
               {"stream_pattern", as_pattern(site.stream_location)},
               {"logged_keys", fill_keys(kNginxLoggedKey, site, {})},
               {"md5_locations", md5_locations(site, in_keys)},
               {"key_maps", fill_keys(kNginxKeyMap, site, {})},
               {"keys", fill_keys(kNginxKey, site, in_keys)}});
}

}  // namespace grantctl::webconf
