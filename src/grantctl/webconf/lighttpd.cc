#include "grantctl/webconf/site.h"
#include "grantctl/webconf/template.h"

namespace grantctl::webconf {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

constexpr std::string_view kLighttpd =
    R"conf(# Private files behind lighttpd, as `grantctl webconf lighttpd` writes it. On Debian:
#
#   grantctl webconf lighttpd >/etc/lighttpd/conf-available/50-grantfs.conf
#   lighty-enable-mod grantfs && service lighttpd force-reload
#
# It is included by lighttpd's own configuration, which says under which user it runs and the types of files.
#
# Serve files under a host name of their own, over https, so that a page somebody uploaded has no cookie
# of your application; and give lighttpd's user no other way to the store.
@cookie_note@

server.modules += ( "mod_rewrite", "mod_setenv" )

# For every site of this lighttpd: this cache would answer, and hold files open, for a second or more
# without asking grantfs.
server.stat-cache-engine = "disable"

$SERVER["socket"] == "@socket@" {
    # The mount itself. Nothing in it can be asked for by its own name: every request is rewritten below.
    server.document-root = "@mount@/"
    server.follow-symlink = "disable"
    index-file.names = ()
    static-file.exclude-extensions = ()

    # What stands behind a file's name would hide which file it is.
    static-file.disable-pathinfo = "enable"

    # No name makes a file a program, whatever is said elsewhere.
    cgi.assign = ()
    fastcgi.server = ()
    scgi.server = ()
    proxy.server = ()
    ssi.extension = ()

    # lighttpd's own listings and redirections would show the rewritten path, and the token in it.
    dir-listing.activate = "disable"
%!keys_there|    setenv.set-response-header = ( "Location" => "", "X-Content-Type-Options" => "nosniff",
%!keys_there|                                   "Content-Security-Policy" => "@sandbox@" )
%keys_there|    setenv.set-response-header = ( "Location" => "", "X-Content-Type-Options" => "nosniff",
%keys_there|                                   "Content-Security-Policy" => "@sandbox@",
%keys_there|                                   "Referrer-Policy" => "no-referrer" )
    # No answer is remembered by a cache on the way but where it is said below.
    setenv.add-response-header = ( "Cache-Control" => "no-store" )
    expire.url = ()
    expire.mimetypes = ()

%secret|    # Whatever lighttpd says of a file names its path, and the token is in it. `grantctl check` says why
%secret|    # a file is refused.
%secret|    server.errorlog = "/dev/null"
%keys_there|    # lighttpd can write no log without the token of a URL. Leave debug.log-request-... off everywhere: they
%keys_there|    # write before lighttpd knows which site is asked.
%keys_there|    accesslog.filename = "/dev/null"
%login|    # 403, with a page that leads on to the login: put it there.
%login|    #   echo '@login_page@' >/etc/lighttpd/grantfs-403.html
%login|    server.errorfile-prefix = "/etc/lighttpd/grantfs-"
%cookie|
%cookie|    # The token, if the cookie holds one and nothing else; else a name that never is a session. This
%cookie|    # pattern is what keeps "../" out of the path. Of several cookies of that name the first counts.
%cookie|    $HTTP["cookie"] =~ "^(?:(?!\s*@cookie@\s*=)[^;]*;)*\s*@cookie@=([A-Za-z0-9_-]{16,255})\s*(?:;|$)" {
%cookie|        # 403: a session that has ended. 404: not there, or not yours.
%cookie|        url.rewrite-once = (
%cookie|            "(?i)(?:/|%2f)(?:\.|%2e){2}(?:/|%2f|[?]|$)" => "/by-uid/none",
@cookie_keys@
%cookie|            "^@location_pattern@(.*)" => "/by-session/%1/$1",
%cookie|            "^@public_pattern@(.*)" => "/public/$1",
%cookie|            "" => "/by-uid/none",
%cookie|        )
%cookie|    } else {
        url.rewrite-once = (
            "(?i)(?:/|%2f)(?:\.|%2e){2}(?:/|%2f|[?]|$)" => "/by-uid/none",
%cookie|            "^@location_pattern@" => "/by-session/_anon/",
@keys@
            "^@public_pattern@(.*)" => "/public/$1",
            "" => "/by-uid/none",
        )
%cookie|    }

%attach|    # Only what a browser shows without running anything in it is shown: pictures, sound, film, plain text,
%attach|    # and PDF. Everything else is downloaded; an uploaded page would be a page of this site.
%cookie|    # A browser may keep a private file, nobody else may, and it asks each time whether it still holds: here
%cookie|    # lighttpd does not know yet whether it will refuse, and says the same of a 403 or a 404.
%cookie|    $HTTP["url"] =~ "^/by-session/(?!_anon/)" {
%cookie|        setenv.add-response-header = ( "Cache-Control" => "private, no-cache" )
%attach_session|        $HTTP["url"] !~ "(?i)(?:/|\.(?:@inert@))$" {
%attach_session|            setenv.add-response-header = ( "Cache-Control" => "private, no-cache",
%attach_session|                                           "Content-Disposition" => "attachment" )
%attach_session|        }
%cookie|    }
%keys_there|    # Where the token is in the URL, that is the key. 403: it has ended.
%keys_there|    $HTTP["url"] =~ "^/by-(?:link|signature)/" {
%keys_there|        setenv.add-response-header = ( "Cache-Control" => "private, no-cache" )
%attach_keys|        $HTTP["url"] !~ "(?i)(?:/|\.(?:@inert@))$" {
%attach_keys|            setenv.add-response-header = ( "Cache-Control" => "private, no-cache",
%attach_keys|                                           "Content-Disposition" => "attachment" )
%attach_keys|        }
%keys_there|    }
    $HTTP["url"] =~ "^/public/" {
        setenv.add-response-header = ( "Cache-Control" => "public, no-cache" )
%attach|        $HTTP["url"] !~ "(?i)(?:/|\.(?:@inert@))$" {
%attach|            setenv.add-response-header = ( "Cache-Control" => "public, no-cache",
%attach|                                           "Content-Disposition" => "attachment" )
%attach|        }
    }
}
)conf";

constexpr std::string_view kLighttpdKey = R"conf(            # @title@.
            "^@pattern@(.*)" => "/by-@name@/$1",
)conf";

}  // namespace

Result<std::string> lighttpd(const Site& site) {
  const Flags flags(site);
  if (auto checked = check_without_md5(site); !checked) return checked.error();
  if (flags.remote_user || site.by_address) {
    return Error{ErrorKind::kInvalid,
                 "lighttpd tells neither the user nor the client's address to its rewriting: use "
                 "--kind cookie without --by-address, or another server"};
  }
  const std::string keys = fill_keys(kLighttpdKey, site, {});
  return fill(kLighttpd, site,
              {{"cookie_keys", flags.cookie ? keys : ""},
               {"keys", keys},
               {"keys_there", flag(flags.keys)},
               {"secret", flag(flags.cookie || flags.keys)},
               {"attach_session", flag(flags.attach && flags.cookie)},
               {"attach_keys", flag(flags.attach && flags.keys)},
               {"socket", site.host() + ":" + site.port()},
               {"location_pattern", as_pattern(site.location)},
               {"public_pattern", as_pattern(site.public_location)}});
}

}  // namespace grantctl::webconf
