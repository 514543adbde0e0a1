#include "grantctl/nginxconf/site_map.h"

#include <algorithm>
#include <cctype>

namespace grantctl::nginxconf {

namespace {

/// The port: "8080" of "127.0.0.1:8080", "[::1]:8080" and "8080"; "80" if the address has none.
/// "unix:/path" stays as it is.
std::string port_of(const std::string& address) {
  if (address.starts_with("unix:")) return address.substr(0, address.find(':', 5));
  const auto colon = address.rfind(':');
  const auto bracket = address.rfind(']');
  const bool is_after = colon != address.npos && (bracket == address.npos || colon > bracket);
  const std::string port = is_after ? address.substr(colon + 1) : address;
  const bool is_number = !port.empty() && std::ranges::all_of(port, [](unsigned char c) {
    return std::isdigit(c) != 0;
  });
  return is_number ? port : "80";
}

}  // namespace

SiteMap::SiteMap(const Directive& top, Variables& variables)
    : variables_(variables), outermost_(Scope().within(top)) {
  collect(top, outermost_);
  const bool is_part = std::ranges::any_of(
      top.block, [](const Directive& directive) { return directive.name == "location"; });
  if (is_part) {
    Site site{&top, outermost_, {}, {}};
    site.scope.server = &top;
    sites_.push_back(std::move(site));
    collect_spots(top, sites_.back().scope, nullptr, sites_.back());
  }
  for (const Site& site : sites_) {
    for (const Spot& spot : site.spots) {
      for (const Site* reached : behind(spot)) fronts_[reached].push_back(&spot);
    }
  }
}

void SiteMap::collect(const Directive& block, const Scope& scope) {
  for (const Directive& directive : block.block) {
    if (!directive.has_block || !variables_.step(directive.place)) continue;
    if (directive.name == "upstream" && !directive.arguments.empty()) {
      for (const Directive& server : directive.block) {
        if (server.name == "server" && !server.arguments.empty()) {
          upstreams_[directive.arguments[0]].push_back(server.arguments[0]);
        }
      }
    } else if (directive.name == "http") {
      outermost_ = scope.within(directive);
      collect(directive, outermost_);
    } else if (directive.name == "server") {
      Site site{&directive, scope.within(directive), {}, {}};
      for (const Directive* listen : site.scope.all("listen")) {
        if (!listen->arguments.empty()) site.ports.insert(port_of(listen->arguments[0]));
      }
      if (site.ports.empty()) site.ports.insert("80");
      sites_.push_back(std::move(site));
      collect_spots(directive, sites_.back().scope, nullptr, sites_.back());
    }
  }
}

void SiteMap::collect_spots(const Directive& block, const Scope& scope, const Spot* around,
                            Site& site) {
  for (const Directive& directive : block.block) {
    if (directive.name != "location" || directive.arguments.empty()) continue;
    if (!variables_.step(directive.place)) return;
    const Spot& spot = site.spots.emplace_back(Spot{&directive, scope.within(directive), around});
    collect_spots(directive, spot.scope, &spot, site);
  }
}

std::set<std::string> SiteMap::ports_of_target(const std::string& url) const {
  std::string address = url;
  const auto scheme = address.find("://");
  if (scheme != address.npos) address.erase(0, scheme + 3);
  if (!address.starts_with("unix:")) address.resize(std::min(address.find('/'), address.size()));
  const auto group = upstreams_.find(address);
  if (group == upstreams_.end()) return {port_of(address)};
  std::set<std::string> ports;
  for (const std::string& server : group->second) ports.insert(port_of(server));
  return ports;
}

std::vector<const Site*> SiteMap::behind(const Spot& spot) const {
  std::vector<const Site*> found;
  for (const std::string_view name : {"proxy_pass", "grpc_pass"}) {
    const Directive* pass = spot.block->find(name);
    if (pass == nullptr || pass->arguments.empty()) continue;
    const auto ports = ports_of_target(pass->arguments[0]);
    for (const Site& site : sites_) {
      if (!variables_.step(pass->place)) break;
      if (std::ranges::any_of(ports, [&](auto& port) { return site.ports.contains(port); })) {
        found.push_back(&site);
      }
    }
  }
  return found;
}

const std::vector<const Spot*>& SiteMap::in_front_of(const Site& site) const {
  static const std::vector<const Spot*> kNone;
  const auto found = fronts_.find(&site);
  return found == fronts_.end() ? kNone : found->second;
}

}  // namespace grantctl::nginxconf
