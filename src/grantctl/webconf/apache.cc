#include "grantctl/webconf/site.h"
#include "grantctl/webconf/template.h"

namespace grantctl::webconf {

using grantfs::Result;

namespace {

constexpr std::string_view kApache =
    R"conf(# Private files behind Apache, as `grantctl webconf apache` writes it. On Debian:
#
#   grantctl webconf apache >/etc/apache2/sites-available/grantfs.conf
%rewrites|#   a2enmod rewrite
%remote_user|#   a2enmod auth_basic authn_file authz_user
#   a2enmod autoindex headers setenvif && a2ensite grantfs && apachectl graceful
#
# Serve files under a host name of their own, over https, so that a page somebody uploaded has no cookie
# of your application; and give Apache's user no other way to the store.
@cookie_note@

Listen @listen@
<VirtualHost @address@>
    # Whatever Apache says of a file names its path, and the token is in it. `grantctl check` says why a
    # file is refused.
    LogLevel emerg

    # Nothing is served but what is said below; it must not be the mount itself.
    DocumentRoot "@mount@/public"
    <Directory "/">
        AllowOverride None
        Options None
        Require all denied
    </Directory>
    <Directory "@mount@">
        AllowOverride None
        Options Indexes
        Require all granted
        DirectoryIndex disabled
        IndexOptions Charset=UTF-8 NameWidth=*

        # A mapped file that shrinks meanwhile would end the process.
        EnableMMAP Off
        EnableSendfile On

        # What stands behind a file's name would hide which file it is.
        AcceptPathInfo Off

        # Listings hold no page of somebody's making: these names are answered 404 below.
        HeaderName /.none
        ReadmeName /.none
    </Directory>

    # No name makes a file a program, whatever is said elsewhere: locations count last.
    <LocationMatch "[^/]$">
        SetHandler default-handler
    </LocationMatch>
    RedirectMatch 404 "^(?!@served_patterns@)"

%cookie|    # The token, if the cookie holds one and nothing else; else a name that never is a session.
%cookie|    # This pattern is what keeps "../" out of the path. Of several cookies of that name the first counts.
%cookie|    SetEnvIf Request_URI "^" GRANTFS_SESSION=_anon
%cookie|    SetEnvIf Cookie "(?s)^(?:(?:(?!(?<![^;,\s])@cookie@\s*=).)*;\s*)?@cookie@=([A-Za-z0-9_-]{16,255})\s*(?:;|$|,\s)" GRANTFS_SESSION=$1
%cookie|    # Some proxies send each cookie in a line of its own, and Apache puts a comma between the lines. A comma
%cookie|    # may be part of another cookie too, so such a one counts only if none stands behind a semicolon. Where no
%cookie|    # proxy does that, take this line out.
%cookie|    SetEnvIf Cookie "(?s)^(?!(?:.*;)?\s*@cookie@\s*=)(?:(?!(?<![^;,\s])@cookie@\s*=).)*,\s@cookie@=([A-Za-z0-9_-]{16,255})\s*(?:;|$|,\s)" GRANTFS_SESSION=$1
%cookie|
%cookie|    # What the session may see. 403: no session, or one that has ended. 404: not there, or not yours.
%cookie|    <LocationMatch "(?s)^@location_pattern@(?<grantfs_path>.*)$">
%cookie|        Alias "@mount@/@from@by-session/%{env:GRANTFS_SESSION}/%{env:MATCH_GRANTFS_PATH}"
%cookie|    </LocationMatch>
%remote_user|    # The user whom Apache has authenticated, if it is a plain name: this pattern keeps "../" out of the path.
%remote_user|    # LA-U looks ahead, since a file is chosen before the user is known; who may have it is decided again then.
%remote_user|    # grantfs takes the server's word for the user, and has by-user only for a group that is trusted so far:
%remote_user|    # mount with by_user=www-data, if that is Apache's group.
%remote_user|    RewriteEngine On
%remote_user|    RewriteRule "^" - [E=GRANTFS_VIEW:_none]
%remote_user|    RewriteCond "%{LA-U:REMOTE_USER}" "^([A-Za-z0-9][A-Za-z0-9_@.-]{0,127})$"
%remote_user|    RewriteRule "^@location_pattern@" - [E=GRANTFS_VIEW:by-user/%1]
%remote_user|    RewriteCond "%{LA-U:REMOTE_USER}" "!^(?:[A-Za-z0-9][A-Za-z0-9_@.-]{0,127})?$"
%remote_user|    RewriteRule "^@location_pattern@" - [F]
%remote_user|
%remote_user|    # What the user may see. 401: log in. 404: not there, or not yours. In that file, a line for each user,
%remote_user|    # by `htpasswd -B`. With client certificates, say SSLUserName and SSLVerifyClient in place of Auth*.
%remote_user|    <LocationMatch "(?s)^@location_pattern@(?<grantfs_path>.*)$">
%remote_user|        Alias "@mount@/%{env:GRANTFS_VIEW}/%{env:MATCH_GRANTFS_PATH}"
%remote_user|        AuthType Basic
%remote_user|        AuthName "Private files"
%remote_user|        AuthUserFile "@users@"
%remote_user|        Require valid-user
%remote_user|    </LocationMatch>
%login|    ErrorDocument 403 "@login_page@"
    # No answer is remembered by a cache on the way but where it is said below.
    <IfModule mod_expires.c>
        ExpiresActive Off
    </IfModule>
    Header always set Cache-Control no-store

%session|    # A browser may keep a copy, nobody else may, and it asks each time whether it still holds.
%session|    Header always set Cache-Control "private, no-cache" "expr=%{REQUEST_URI} =~ m#^@location_pattern@# && %{REQUEST_STATUS} =~ m#^(?:2|304)#"
%session|
%keys_there|    CustomLog /dev/null common
%keys_there|    RewriteEngine On
%keys_there|
@keys@
    # What is granted to everyone.
    Alias "@public@" "@mount@/public/"
    <Location "@public@">
        Header always set Cache-Control "public, no-cache" "expr=%{REQUEST_STATUS} =~ m#^(?:2|304)#"
    </Location>

    Header always set X-Content-Type-Options nosniff
    Header onsuccess set Content-Security-Policy "@sandbox@"
%attach|    # Only what a browser shows without running anything in it is shown: pictures, sound, film, plain text,
%attach|    # PDF, and Apache's own listings. Everything else is downloaded; an uploaded page would be a page of
%attach|    # this site.
%attach|    Header onsuccess set Content-Disposition attachment "expr=! %{CONTENT_TYPE} =~ m#^text/plain|^application/pdf|^(?:image|audio|video)/(?!svg)# && ! %{REQUEST_URI} =~ m#/$#"
</VirtualHost>
)conf";

constexpr std::string_view kApacheKey = R"conf(    # @title@: the token is in the URL.
    # The path says where the client is, so that what is bound to an address works@counted@.
    # Behind a proxy of your own, use mod_remoteip.
    <LocationMatch "(?s)^@pattern@(?<grantfs_path>.*)$">
        Alias "@mount@/from/%{REMOTE_ADDR}/by-@name@/%{env:MATCH_GRANTFS_PATH}"
    </LocationMatch>
    # The URL is the key: it is not told to other sites, and is in no log.
    Header always set Referrer-Policy no-referrer "expr=%{REQUEST_URI} =~ m#^@pattern@#"
    Header always set Cache-Control "private, no-cache" "expr=%{REQUEST_URI} =~ m#^@pattern@# && %{REQUEST_STATUS} =~ m#^(?:2|304)#"
    # 410: it has expired. 403: there is no such @noun@, or it was taken back.
    RewriteCond "@mount@/from/%{REMOTE_ADDR}/by-@name@/$1" !-d
    RewriteCond "@mount@/expired/$1" -f
    RewriteRule "^@pattern@([A-Za-z0-9_-]{16,255})(?:/|$)" - [G]

)conf";

std::string served_patterns(const Site& site, const Flags& flags) {
  std::string patterns = as_pattern(site.public_location);
  if (flags.session) patterns += "|" + as_pattern(site.location);
  for (const KeyKind& kind : key_kinds(site)) patterns += "|" + as_pattern(kind.location);
  return patterns;
}

}  // namespace

Result<std::string> apache(const Site& site) {
  const Flags flags(site);
  if (auto checked = check_without_md5(site); !checked) return checked.error();
  return fill(kApache, site,
              {{"keys_there", flag(flags.keys)},
               {"rewrites", flag(flags.keys || flags.remote_user)},
               {"remote_user", flag(flags.remote_user)},
               {"session", flag(flags.session)},
               {"users", site.users.empty() ? "/etc/apache2/grantfs.htpasswd" : site.users},
               {"from", site.by_address ? "from/%{REMOTE_ADDR}/" : ""},
               {"listen", site.listen},
               {"address", (site.host().empty() ? "*" : site.host()) + ":" + site.port()},
               {"served_patterns", served_patterns(site, flags)},
               {"location_pattern", as_pattern(site.location)},
               {"keys", fill_keys(kApacheKey, site, {})}});
}

}  // namespace grantctl::webconf
