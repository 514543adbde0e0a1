#include "grantctl/nginxconf/builtins.h"

#include <array>
#include <set>
#include <string_view>

namespace grantctl::nginxconf {

namespace {

Language without(Language language, std::string_view characters) {
  for (const char c : characters) language.characters.reset(static_cast<unsigned char>(c));
  return language;
}

/// A host name that nginx accepts: it has no '/', and no two dots together
/// (ngx_http_validate_host).
Language host_name() {
  Language language = without(anything(), "/");
  language.may_be_dot = language.may_be_dots = false;
  return language;
}

/// A number or an address: decimal or hexadecimal digits, colons and single dots.
Language plain_word() {
  std::bitset<256> characters;
  for (const char c : std::string_view("0123456789abcdefABCDEFxyzXYZ:.-_ ")) {
    characters.set(static_cast<unsigned char>(c));
  }
  Language language = one_of(characters);
  language.may_be_dot = false;
  return language;
}

const std::set<std::string_view>& words_of_the_server() {
  static const std::set<std::string_view> kNames = {"body_bytes_sent",
                                                    "bytes_sent",
                                                    "connection",
                                                    "connection_requests",
                                                    "connection_time",
                                                    "content_length",
                                                    "hostname",
                                                    "limit_rate",
                                                    "msec",
                                                    "nginx_version",
                                                    "pid",
                                                    "pipe",
                                                    "proxy_port",
                                                    "remote_port",
                                                    "request_completion",
                                                    "request_id",
                                                    "request_length",
                                                    "request_time",
                                                    "scheme",
                                                    "server_addr",
                                                    "server_port",
                                                    "server_protocol",
                                                    "status",
                                                    "time_iso8601",
                                                    "time_local",
                                                    "tcpinfo_rtt",
                                                    "tcpinfo_rttvar",
                                                    "tcpinfo_snd_cwnd",
                                                    "tcpinfo_rcv_space",
                                                    "upstream_addr",
                                                    "upstream_bytes_received",
                                                    "upstream_bytes_sent",
                                                    "upstream_connect_time",
                                                    "upstream_header_time",
                                                    "upstream_response_length",
                                                    "upstream_response_time",
                                                    "upstream_status",
                                                    "upstream_cache_status",
                                                    "gzip_ratio",
                                                    "https",
                                                    "http2",
                                                    "http3",
                                                    "is_args",
                                                    "secure_link",
                                                    "ssl_cipher",
                                                    "ssl_protocol",
                                                    "ssl_session_id",
                                                    "ssl_session_reused",
                                                    "ssl_client_verify",
                                                    "ssl_curve",
                                                    "ssl_early_data",
                                                    "ssl_client_v_remain",
                                                    "ssl_client_v_start",
                                                    "ssl_client_v_end",
                                                    "request_method",
                                                    "limit_conn_status",
                                                    "limit_req_status",
                                                    "modern_browser",
                                                    "ancient_browser",
                                                    "msie",
                                                    "invalid_referer",
                                                    "date_gmt",
                                                    "date_local",
                                                    "server_name",
                                                    "proxy_host",
                                                    "slice_range",
                                                    "proxy_protocol_server_addr",
                                                    "proxy_protocol_server_port",
                                                    "proxy_protocol_port",
                                                    "realip_remote_port",
                                                    "sent_http_content_type",
                                                    "sent_http_content_length"};
  return kNames;
}

}  // namespace

Language normalised_path() {
  Language path = anything();
  path.may_be_empty = path.may_be_dot = path.may_be_dots = false;
  path.whole_components = path.begins_with_slash = true;
  return path;
}

std::optional<Value> builtin(const std::string& name) {
  const auto any = [&](Origin origin) { return varying(anything(), {{origin, name}}, name); };
  if (name == "uri" || name == "document_uri" || name == "fastcgi_script_name") {
    return varying(normalised_path(), {{Origin::kUrl, name}}, name);
  }
  if (name == "request_filename" || name == "realpath_root" || name == "document_root") {
    // These lie below the root in force, which is judged by itself.
    return varying(normalised_path(), {{Origin::kUrl, name}}, name);
  }
  if (name == "host") return varying(host_name(), {{Origin::kHost, name}}, name);
  if (name == "http_host") return varying(host_name(), {{Origin::kHost, name}}, name);
  if (name == "ssl_server_name" || name == "ssl_preread_server_name") return any(Origin::kHost);
  if (name == "args" || name == "query_string" || name.starts_with("arg_") ||
      name == "secure_link_expires") {
    return any(Origin::kArgument);
  }
  if (name == "request_uri" || name == "request") {
    return varying(anything(), {{Origin::kUrl, name}, {Origin::kArgument, name}}, name);
  }
  if (name == "fastcgi_path_info" || name == "request_body" || name == "request_body_file") {
    return any(name == "fastcgi_path_info" ? Origin::kUrl : Origin::kHeader);
  }
  if (name == "http_cookie" || name.starts_with("cookie_") || name.starts_with("uid_")) {
    return any(Origin::kCookie);
  }
  if (name.starts_with("http_") || name == "content_type" || name == "proxy_add_x_forwarded_for") {
    return any(Origin::kHeader);
  }
  if (name == "remote_user") return any(Origin::kBasicUser);
  if (name == "remote_addr" || name == "realip_remote_addr") {
    return varying(plain_word(), {{Origin::kAddress, name}}, name);
  }
  if (name == "binary_remote_addr") return any(Origin::kAddress);
  if (name == "proxy_protocol_addr") return varying(plain_word(), {{Origin::kHeader, name}}, name);
  if (words_of_the_server().contains(name)) {
    Language language = plain_word();
    language.characters.set();
    language.characters.reset('/');
    language.may_be_empty = name == "secure_link" || name == "is_args" || name == "https";
    return varying(language, {{Origin::kServer, name}}, name);
  }
  if (name.starts_with("ssl_client_")) return any(Origin::kCertificate);
  if (name.starts_with("jwt_claim_") || name.starts_with("upstream_") || name.starts_with("sent_"))
    return any(Origin::kSubrequest);
  if (name.starts_with("geoip_") || name.starts_with("geoip2_")) return any(Origin::kServer);
  return std::nullopt;
}

}  // namespace grantctl::nginxconf
