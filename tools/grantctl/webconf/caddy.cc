#include "webconf/site.h"
#include "webconf/template.h"

namespace grantctl::webconf {

namespace {

constexpr std::string_view kCaddy =
    R"conf(# Private files behind Caddy, as `grantctl webconf caddy` writes it: a whole Caddyfile. Mount with
# server_group=caddy, Debian's group for it. Serve files under a host name of their own, over https (write
# the name instead of http://@listen@), so that a page somebody uploaded has no cookie of your
# application; and give Caddy's user no other way to the store.
%cookie|#
%cookie|# The application sets, after login, a cookie that holds a token from `grantctl session create`:
%cookie|#
%cookie|#   Set-Cookie: @cookie@=TOKEN; Secure; HttpOnly; SameSite=Lax; Path=/
%cookie|#
%cookie|# __Host- means that no other host of your domain can plant one. A browser accepts such a cookie
%cookie|# over https only; curl sends it anywhere. It is a cookie of its own, not the application's session:
%cookie|# if it ever leaks, it opens files and nothing else.
{
	# Whatever Caddy says of a file names its path, and the token is in it. `grantctl check` says why a
	# file is refused. In an access log Caddy blanks the cookie; leave log_credentials off.
	log {
		exclude http.log.error http.handlers.file_server
	}
}

http://@address@ {
%host|	bind @host@
	header X-Content-Type-Options nosniff

%cookie|	# What the session may see. 403: no session, or one that has ended. 404: not there, or not yours.
%cookie|	handle_path @location@* {
%cookie|		# The token, if the cookie holds one and nothing else. This pattern is what keeps "../" out of the
%cookie|		# path: never put a raw cookie or query into one. Two cookies of that name are none.
%cookie|		@session {
%cookie|			vars_regexp token {http.request.header.Cookie} (?:^|;\s*)@cookie@=([A-Za-z0-9_-]{16,255})\s*(?:;|$)
%cookie|			not vars_regexp {http.request.header.Cookie} (?s)(?:^|[;,\s])@cookie@\s*=.*[;,\s]@cookie@\s*=
%cookie|		}
%cookie|		handle @session {
%cookie|			root * @mount@/by-session/{re.token.1}
%cookie|			file_server {
%cookie|				browse
%cookie|				index .none
%cookie|			}
%attach_private|			header @download Content-Disposition attachment
%cookie|		}
%cookie|		handle {
%cookie|			error 403
%cookie|		}
%cookie|		# A browser may keep a copy, nobody else may, and it asks each time whether it still holds.
%cookie|		header Cache-Control "private, no-cache"
%attach_private|		# Only what a browser shows without running anything in it is shown: pictures, sound, film, plain
%attach_private|		# text, PDF, and Caddy's own listings. Everything else is downloaded; an uploaded page would be a
%attach_private|		# page of this site.
%attach_private|		@download not path_regexp (?i)(?:/|\.(?:@inert@))$
%cookie|	}
%cookie|
	# What is granted to everyone.
	handle_path @public@* {
		root * @mount@/public
		file_server {
			browse
			index .none
		}
		header Cache-Control "public, no-cache"
%attach|		@download not path_regexp (?i)(?:/|\.(?:@inert@))$
%attach|		header @download Content-Disposition attachment
	}

	handle {
		error 404
	}

	handle_errors {
%login|		# 403, with a page that leads on to the login.
%login|		@refused {
%login|			expression {http.error.status_code} == 403
%login|			path @location@*
%login|		}
%login|		header @refused Content-Type text/html
%login|		respond @refused "@login_page@"
		header -Content-Disposition
		respond "{http.error.status_code} {http.error.status_text}"
	}
}
)conf";

}  // namespace

std::string caddy(const Site& site) {
  const bool cookie = site.kind == "cookie";
  return fill(kCaddy, {{"cookie", cookie ? site.cookie : ""},
                       {"attach", site.inline_active ? "" : "yes"},
                       {"attach_private", cookie && !site.inline_active ? "yes" : ""},
                       {"inert", kInertExtensions},
                       {"listen", site.listen},
                       {"address", ":" + site.port()},
                       {"host", site.host()},
                       {"location", site.location},
                       {"public", site.public_location},
                       {"mount", site.mount},
                       {"login", cookie ? site.login : ""},
                       {"login_page", login_page(site.login)}});
}

}  // namespace grantctl::webconf
