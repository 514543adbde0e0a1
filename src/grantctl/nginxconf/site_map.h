#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "grantctl/nginxconf/scope.h"
#include "grantctl/nginxconf/variables.h"

namespace grantctl::nginxconf {

/// A location, and the directives in force there.
struct Spot {
  const Directive* block;
  Scope scope;
  const Spot* around;  ///< the location around it; null: none
};

/// A server, and all its locations, with those inside other locations.
struct Site {
  const Directive* server;
  Scope scope;
  std::deque<Spot> spots;
  std::set<std::string> ports;  ///< the ports it listens on: "8080" or "unix:/path"
};

/// The servers of a configuration, and which of them hand requests on to which others. Pointers
/// lead into the configuration.
class SiteMap {
 public:
  SiteMap(const SiteMap&) = delete;
  SiteMap& operator=(const SiteMap&) = delete;
  /// If `top` has no `http {}` or `server {}`, it is taken for the inside of a server.
  SiteMap(const Directive& top, Variables& variables);

  const std::deque<Site>& sites() const { return sites_; }
  const Scope& outermost() const { return outermost_; }

  /// The servers of this configuration that the location hands requests on to.
  std::vector<const Site*> behind(const Spot& spot) const;
  /// The locations that hand requests on to `site`.
  const std::vector<const Spot*>& in_front_of(const Site& site) const;

 private:
  void collect(const Directive& block, const Scope& scope);
  void collect_spots(const Directive& block, const Scope& scope, const Spot* around, Site& site);
  std::set<std::string> ports_of_target(const std::string& url) const;

  Variables& variables_;
  Scope outermost_;
  std::deque<Site> sites_;
  std::map<std::string, std::vector<std::string>> upstreams_;
  std::map<const Site*, std::vector<const Spot*>> fronts_;
};

}  // namespace grantctl::nginxconf
