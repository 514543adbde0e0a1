#include "grantctl/webconf/site.h"
#include "grantctl/webconf/template.h"

namespace grantctl::webconf {

using grantfs::Result;

namespace {

constexpr std::string_view kCaddy =
    R"conf(# Private files behind Caddy, as `grantctl webconf caddy` writes it: a whole Caddyfile. Mount with
# server_group=caddy, Debian's group for it. Serve files under a host name of their own, over https (write
# the name instead of http://@address@, and no bind), so that a page somebody uploaded has no cookie of your
# application; and give Caddy's user no other way to the store.
@cookie_note@
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
	header Content-Security-Policy "@sandbox@"
	# No answer is remembered by a cache on the way but where it is said below.
	header Cache-Control no-store
%keys_there|	# The URL is the key: the log has no others than these.
%keys_there|	@unlogged not path @logged@
%keys_there|	skip_log @unlogged
%address_there|
%address_there|	# Where the client is, for what is bound to an address. Who comes by a socket of this machine is
%address_there|	# nowhere, and has what is bound to none.
%address_there|	map {http.request.remote.host} {grantfs_from} {
%address_there|		~^([0-9A-Fa-f.:]+)$ "from/${1}/"
%address_there|		default ""
%address_there|	}

%cookie|	# What the session may see. 403: no session, or one that has ended. 404: not there, or not yours.
%remote_user|	# What the user may see. 401: log in. 404: not there, or not yours. grantfs takes the server's word for
%remote_user|	# the user, and has by-user only for a group that is trusted so far: mount with by_user=caddy.
%session|	handle_path @location@* {
%cookie|		# The first cookie of that name, in whichever header line; and the token, if it holds one and nothing
%cookie|		# else. That pattern is what keeps "../" out of the path: never put a raw cookie or query into one.
%cookie|		@cookie header_regexp cookie Cookie (?:^|;)\s*@cookie@(\s*=[^;]*)
%cookie|		vars @cookie grantfs_cookie {re.cookie.1}
%cookie|		@session vars_regexp token {vars.grantfs_cookie} ^=([A-Za-z0-9_-]{16,255})\s*$
%remote_user|		# In that file, a line for each user: NAME HASH, the hash by `caddy hash-password`.
%remote_user|		basicauth {
%remote_user|			import @users@
%remote_user|		}
%remote_user|		# A plain name: this pattern keeps "../" out of the path.
%remote_user|		@session vars_regexp user {http.auth.user.id} ^[A-Za-z0-9][A-Za-z0-9_@.-]{0,127}$
%session|		handle @session {
%cookie|			root * @mount@/@from@by-session/{re.token.1}
%remote_user|			root * @mount@/by-user/{re.user.0}
%session|			file_server {
%session|				browse
%session|				index .none
%session|			}
%attach_session|			header @download Content-Disposition attachment
%session|		}
%session|		handle {
%session|			error 403
%session|		}
%session|		# A browser may keep a copy, nobody else may, and it asks each time whether it still holds.
%session|		header Cache-Control "private, no-cache"
%attach_session|		# Only what a browser shows without running anything in it is shown: pictures, sound, film, plain
%attach_session|		# text, PDF, and Caddy's own listings. Everything else is downloaded; an uploaded page would be a
%attach_session|		# page of this site.
%attach_session|		@download not path_regexp (?i)(?:/|\.(?:@inert@))$
%session|	}
%session|
@keys@
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
		header Cache-Control no-store
@ended_keys@
%login|		# 403, with a page that leads on to the login.
%login|		@refused {
%login|			expression {http.error.status_code} == 403
%login|			path @location@*
%login|		}
%login|		header @refused Content-Type text/html
%login|		header @refused -Content-Security-Policy
%login|		respond @refused "@login_page@"
		header -Content-Disposition
		respond "{http.error.status_code} {http.error.status_text}"
	}
}
)conf";

constexpr std::string_view kCaddyKey = R"conf(	# @title@: the token is in the URL.
	# The path says where the client is, so that what is bound to an address works@counted@.
	handle_path @location@* {
		root * @mount@/{grantfs_from}by-@name@
		file_server {
			browse
			index .none
		}
		header Cache-Control "private, no-cache"
		# The URL is the key: it is not told to other sites.
		header Referrer-Policy no-referrer
%attach|		@download not path_regexp (?i)(?:/|\.(?:@inert@))$
%attach|		header @download Content-Disposition attachment
	}

)conf";

constexpr std::string_view kCaddyEndedKey =
    R"conf(		# 410: it has expired. 403: there is no such @noun@, or it was taken back.
		@@name@ {
			expression {http.error.status_code} == 403
			path_regexp @name@ ^@pattern@([A-Za-z0-9_-]{16,255})(?:/|$)
		}
		handle @@name@ {
			@ended file {
				root @mount@/expired
				try_files /{re.@name@.1}
			}
			respond @ended "410 Gone" 410
		}
)conf";

std::string logged(const Site& site, const Flags& flags) {
  return site.public_location + '*' + (flags.session ? ' ' + site.location + '*' : "");
}

}  // namespace

Result<std::string> caddy(const Site& site) {
  const Flags flags(site);
  if (auto checked = check_without_md5(site); !checked) return checked.error();
  return fill(kCaddy, site,
              {{"remote_user", flag(flags.remote_user)},
               {"session", flag(flags.session)},
               {"attach_session", flag(flags.attach && flags.session)},
               {"from", site.by_address ? "{grantfs_from}" : ""},
               {"users", site.users.empty() ? "/etc/caddy/grantfs.users" : site.users},
               {"listen", site.listen},
               {"address", ":" + site.port()},
               {"host", site.host()},
               {"location", site.location},
               {"keys_there", flag(flags.keys)},
               {"address_there", flag(flags.keys || site.by_address)},
               {"logged", logged(site, flags)},
               {"keys", fill_keys(kCaddyKey, site, {})},
               {"ended_keys", fill_keys(kCaddyEndedKey, site, {})}});
}

}  // namespace grantctl::webconf
