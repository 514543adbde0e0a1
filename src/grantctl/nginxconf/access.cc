#include "grantctl/nginxconf/access.h"

#include <algorithm>
#include <cctype>
#include <fstream>

#include "grantctl/nginxconf/networks.h"

namespace grantctl::nginxconf {

namespace {

/// The variable in which nginx has a header of the request: X-User is in http_x_user.
std::string header_variable(std::string_view header) {
  std::string name = "http_";
  for (const char c : header) {
    name += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == name.npos;
}

bool is_for(const Directive& rule, std::string_view whom) {
  return !rule.arguments.empty() && rule.arguments[0] == whom;
}

}  // namespace

bool is_named_by_visitor(const Alternative& url, const Access& access) {
  bool has_scheme = false;
  for (const Piece& piece : url.text) {
    if (!piece.is_literal) {
      return std::ranges::any_of(piece.from, [&](const Source& source) {
        return source.first != Origin::kUnknown && !access.proves(source);
      });
    }
    std::string_view rest = piece.literal;
    if (const auto scheme = rest.find("://"); scheme != rest.npos) {
      has_scheme = true;
      rest.remove_prefix(scheme + 3);
    }
    if ((has_scheme || !rest.empty()) && rest.find('/') != rest.npos) return false;
  }
  return false;
}

Access::Access(const SiteMap& map, const Site& site, const Scope& scope, const Frame& frame,
               Variables& variables, const Passed& passed)
    : map_(map),
      site_(site),
      scope_(scope),
      frame_(frame),
      variables_(variables),
      passed_(passed) {}

/// Whether `satisfy any` lets a visitor in by another check, of which one is enough.
bool Access::is_satisfied_otherwise(bool by_password, bool by_subrequest) const {
  if (scope_.word("satisfy") != "any") return false;
  const bool by_address = std::ranges::any_of(
      scope_.all("allow"), [](const Directive* rule) { return rule->name == "allow"; });
  const std::string jwt = scope_.word("auth_jwt");
  return by_address || (by_password && scope_.find("auth_basic_user_file") != nullptr) ||
         (by_subrequest && scope_.find("auth_request") != nullptr) ||
         (!jwt.empty() && jwt != "off");
}

const Piece* Access::chosen_piece(const Alternative& file) const {
  const auto is_servers = [&](const Source& source) {
    switch (source.first) {
      case Origin::kServer:
      case Origin::kVerifiedCertificate:
        return true;
      case Origin::kAddress:
        return scope_.all("set_real_ip_from").empty();
      case Origin::kCertificate:
        return verifies_certificates();
      default:
        return false;
    }
  };
  for (const Piece& piece : file.text) {
    if (!piece.is_literal && !std::ranges::all_of(piece.from, is_servers)) return &piece;
  }
  return nullptr;
}

bool Access::asks_for_password() const {
  const Directive* realm = scope_.find("auth_basic");
  // Without a file of users, nginx lets everybody in (ngx_http_auth_basic_handler).
  if (realm == nullptr || realm->arguments.empty() ||
      scope_.find("auth_basic_user_file") == nullptr) {
    return false;
  }
  // A password that is compared with a file that the visitor names proves nothing either.
  const Directive& users = *scope_.find("auth_basic_user_file");
  for (const Alternative& file :
       variables_.of(users.arguments.empty() ? "" : users.arguments[0], frame_, users.place)) {
    if (chosen_piece(file) != nullptr) return false;
  }
  for (const Alternative& alternative : variables_.of(realm->arguments[0], frame_, realm->place)) {
    const auto text = alternative.constant();
    if (!text || *text == "off") return false;
  }
  return !is_satisfied_otherwise(/*by_password=*/false, /*by_subrequest=*/true);
}

bool Access::asks_subrequest() const {
  const std::string uri = scope_.word("auth_request");
  if (uri.empty() || uri == "off") return false;
  // The subrequest must ask another server: a location that answers by itself lets everybody in.
  variables_.step_over(site_.spots.size(), scope_.find("auth_request")->place);
  const Spot* asked = nullptr;
  for (const Spot& spot : site_.spots) {
    if (is_pattern_location(*spot.block) || is_named_location(*spot.block)) continue;
    const std::string& key = key_of(*spot.block);
    const bool exact = spot.block->arguments.front() == "=";
    if (exact ? uri == key : uri.starts_with(key)) {
      if (asked == nullptr || key.size() >= key_of(*asked->block).size()) asked = &spot;
    }
  }
  if (asked == nullptr || !hands_on(*asked->block)) return false;
  for (const Directive* page : asked->scope.all("error_page")) {
    // error_page may turn a refusal into an answer of its own.
    const bool is_of_refusals = std::ranges::any_of(
        page->arguments, [](const std::string& word) { return word == "401" || word == "403"; });
    if (is_of_refusals && asked->scope.is_on("proxy_intercept_errors")) return false;
  }
  const Directive* pass = asked->block->find("proxy_pass");
  if (pass != nullptr && !pass->arguments.empty()) {
    for (const Alternative& url : variables_.of(pass->arguments[0], frame_, pass->place)) {
      if (is_named_by_visitor(url, *this)) return false;
    }
  }
  return !is_satisfied_otherwise(/*by_password=*/true, /*by_subrequest=*/false);
}

bool Access::verifies_certificates() const {
  const std::string verify = scope_.word("ssl_verify_client");
  return passed_.certificate_verified || (verify == "on" && !passed_.certificate_failed);
}

/// Whether a certificate that is not verified gets in. `ssl_verify_client off` asks for no
/// certificate, so there is none. "optional" refuses a certificate that it cannot verify. The
/// server by whose name the connection was made need not be the one that the request is for
/// (ngx_http_set_virtual_server).
bool Access::takes_unverified_certificates() const {
  if (passed_.certificate_failed) return true;
  return std::ranges::any_of(map_.sites(), [&](const Site& other) {
    return other.scope.word("ssl_verify_client") == "optional_no_ca" &&
           (&other == &site_ || std::ranges::any_of(other.ports, [&](const std::string& port) {
             return site_.ports.contains(port);
           }));
  });
}

bool Access::refuses_all() const {
  const auto& rules = scope_.all("allow");
  return !rules.empty() && rules.front()->name == "deny" && is_for(*rules.front(), "all") &&
         scope_.word("satisfy") != "any";
}

bool Access::admits_some_addresses() const {
  if (scope_.word("satisfy") == "any") return false;
  for (const Directive* rule : scope_.all("allow")) {
    if (rule->arguments.empty()) continue;
    if (rule->name == "deny" && is_for(*rule, "all")) return !is_address_chosen();
    if (rule->name == "allow" && is_wide(rule->arguments[0])) return false;
  }
  return false;
}

bool Access::asks_for_anything() const {
  if (passed_.is_guarded || (passed_.before != nullptr && passed_.before->asks_for_anything()))
    return true;
  if (asks_for_password() || asks_subrequest() || verifies_certificates() ||
      admits_some_addresses() || refuses_all()) {
    return true;
  }
  if (scope_.word("satisfy") == "any" &&
      (scope_.find("auth_basic_user_file") != nullptr || scope_.find("auth_request") != nullptr)) {
    return true;
  }
  return asks_for_jwt();
}

bool Access::asks_for_jwt() const {
  const std::string jwt = scope_.word("auth_jwt");
  return !jwt.empty() && jwt != "off" && scope_.word("satisfy") != "any";
}

/// Whether somebody who knows the secret has signed the path as a whole.
bool Access::has_signed_path() const {
  const std::string signed_text = scope_.word("secure_link_md5");
  return passed_.is_signed && (signed_text.find("$uri") != std::string::npos ||
                               signed_text.find("$request_uri") != std::string::npos);
}

bool Access::is_address_chosen() const {
  const auto& from = scope_.all("set_real_ip_from");
  if (from.empty()) return false;
  std::string header = scope_.word("real_ip_header");
  if (header.empty()) header = "X-Real-IP";
  if (std::ranges::any_of(from, [](const Directive* directive) {
        return !directive->arguments.empty() && is_wide(directive->arguments[0]);
      })) {
    return true;
  }
  if (header == "proxy_protocol") return false;
  // A server of this configuration may stand in front and pass on the visitor's own header.
  return std::ranges::any_of(map_.in_front_of(site_), [&](const Spot* front) {
    return !sets_header(*front, header_variable(header));
  });
}

/// Whether the location in front sets that header itself.
bool Access::sets_header(const Spot& front, const std::string& variable) const {
  const Site* site = nullptr;
  for (const Site& one : map_.sites()) {
    if (one.server == front.scope.server) site = &one;
  }
  if (site == nullptr) return false;
  for (const Directive* header : front.scope.all("proxy_set_header")) {
    const auto& words = header->arguments;
    if (words.size() != 2 || header_variable(words[0]) != variable) continue;
    // nginx appends the true address to the visitor's header, and the last address counts.
    if (words[1] == "$proxy_add_x_forwarded_for") return true;
    const Frame nothing;
    const Outcome outcome = run_rewriting(*front.block, nothing, variables_);
    const Access access(map_, *site, front.scope, outcome.frame, variables_,
                        {nullptr, false, false, outcome.certificate_verified, false});
    const auto sources = sources_of(variables_.of(words[1], outcome.frame, header->place));
    return std::ranges::all_of(sources, [&](const Source& source) {
      return source.first != Origin::kHeader && source.first != Origin::kAddress
                 ? access.proves(source)
                 : source.first == Origin::kAddress;
    });
  }
  return false;
}

bool Access::trusts_header(const std::string& variable) const {
  bool is_behind = admits_some_addresses();
  const auto& listens = scope_.all("listen");
  if (!is_behind) {
    is_behind = !listens.empty() && std::ranges::all_of(listens, [](const Directive* listen) {
      return !listen->arguments.empty() && is_local_listener(listen->arguments[0]);
    });
  }
  return is_behind && std::ranges::all_of(map_.in_front_of(site_), [&](const Spot* front) {
           return sets_header(*front, variable);
         });
}

bool Access::proves(const Source& source) const {
  return proves_here(source) || (passed_.before != nullptr && passed_.before->proves(source));
}

bool Access::proves_here(const Source& source) const {
  switch (source.first) {
    case Origin::kServer:
    case Origin::kVerifiedCertificate:
      return true;
    case Origin::kAddress:
      return source.second == "realip_remote_addr" || !is_address_chosen();
    case Origin::kBasicUser:
      return asks_for_password();
    case Origin::kCertificate:
      return verifies_certificates() || !takes_unverified_certificates();
    case Origin::kSubrequest:
      return source.second.starts_with("jwt_") ? asks_for_jwt() : asks_subrequest();
    case Origin::kUrl:
      return has_signed_path();
    case Origin::kHeader:
      return trusts_header(source.second);
    default:
      return false;
  }
}

bool Access::has_plain_users() const {
  const Directive* file = scope_.find("auth_basic_user_file");
  if (!asks_for_password() && passed_.before != nullptr) return passed_.before->has_plain_users();
  if (file == nullptr || file->arguments.empty()) return false;
  std::ifstream users(file->arguments[0]);
  if (!users) return false;
  for (std::string line; std::getline(users, line);) {
    if (line.empty() || line.starts_with('#')) continue;
    if (!is_plain_name(line.substr(0, line.find(':')))) return false;
  }
  return true;
}

}  // namespace grantctl::nginxconf
