#pragma once

#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/identity.h"
#include "grantctl/nginxconf/leaks.h"
#include "grantctl/nginxconf/links.h"
#include "grantctl/nginxconf/serving.h"

namespace grantctl::nginxconf {

/// A request in a block that answers it.
struct Visit {
  const Site& site;
  const Spot* spot;        ///< null: the server itself
  const Directive& block;  ///< the location, an `if` within, or the server
  const Scope& scope;
  const Frame& frame;
  const Value& uri;
  const Access& access;
  const Directive* via = nullptr;  ///< the directive that led here; null: none
  unsigned depth = 0;
};

/// A redirect that leaves a block.
struct Departure {
  const Site& site;
  const Frame& frame;
  const Directive* via;
  Passed passed;
  Sources tokens;  ///< tokens in the URL, which the next block must not log
  unsigned depth;
  std::string prefix = {};  ///< the beginning of an unchanged URL; empty: not known
};

/// Follows requests through a configuration, and reports the faults on their ways: see audit(). An
/// object is used once; `top` and `cost` must outlive it.
class Auditor {
 public:
  Auditor(const Directive& top, std::vector<Tree> trees, Cost& cost);
  Report run();

 private:
  void report(Finding finding);
  void report_fault(const Directive& directive, const Fault& fault);
  void report_unchecked(const Directive& directive, const std::string& name);
  void check_text(const Directive& directive, const Value& value, const Access& access,
                  const Site* site_of_uri);
  bool is_handed_on(const Site& site, const Alternative& uri);
  void judge_site(const Site& site);
  void take_server_name(const Site& site, Frame& frame);
  /// The state of variables when a request comes to a location.
  Frame entry(const Spot& spot, const Value& uri, const Frame& before);
  void take_location_captures(const Spot& spot, Frame& frame, bool with_numbers);
  void take_subrequest(const Scope& scope, Frame& frame);
  void judge_spot(const Site& site, const Spot& spot, const Outcome& server);
  /// Judges a location after its rewriting has run.
  void visit_block(const Site& site, const Spot& spot, const Value& uri, Outcome& outcome,
                   const Directive* via, const Passed& passed, unsigned depth);
  /// Judges rewrite ... break: nginx stays in the location, with another URI.
  void stay(const Visit& visit, const Target& target);
  void check_texts(const Visit& visit);
  /// Checks the files that decide who a visitor is.
  void check_authorities(const Visit& visit);
  void check_unreached(const Visit& visit);
  void serve(const Visit& visit);
  void judge_path(const Visit& visit, const Lookup& lookup, const Alternative& path,
                  Judgement& all);
  /// Whether another location answers the URLs for which `fault` would be one.
  bool is_answered_elsewhere(const Visit& visit, const Fault& fault);
  void judge_mount(const Visit& visit, const Judgement& judgement);
  void check_logs(const Scope& scope, const Directive& block, const Spot* spot,
                  const Sources& tokens);
  /// Checks the access log of the block where nginx ends: that log has the URL that the request
  /// began with.
  void check_access_log(const Scope& scope, const Directive& block, const Departure& departure);
  /// Judges server-side includes: pages and programs may have nginx serve any URI, internal ones
  /// too.
  void judge_includes(const Visit& visit, const Judgement& judgement);
  /// Judges proxy_pass and the like: the server asked may send nginx on by X-Accel-Redirect, so a
  /// visitor must not choose that server.
  void judge_handing_on(const Visit& visit);
  static std::string prefix_of(const Spot* spot);
  void go_on(const Visit& visit, const Sources& tokens);
  void follow_name(const std::string& name, const Value& uri, const Departure& departure);
  void follow_uri(const Value& uri, const Departure& departure);
  void arrive_at_pattern(const Spot& spot, const Alternative& uri, const Departure& departure);
  /// Arrives at a location that the URI may lead to by its rest, which is not constant.
  void arrive_further(const Spot& spot, const Alternative& uri, const std::string& fixed,
                      const Departure& departure);
  void arrive(const Spot& spot, const Value& uri, const Departure& departure);
  /// Judges caches in front of grantfs: a cache decides by itself who may see a file, and for how
  /// long.
  void judge_caches_in_front();

  const Directive& top_;
  const std::vector<Tree> trees_;
  const std::string folder_;
  Variables variables_;
  SiteMap map_;
  Leaks leaks_;
  Links links_;
  Report report_;
  std::set<std::tuple<std::string, unsigned, std::string, std::string>> known_;
  std::set<const Site*> private_sites_;
};

}  // namespace grantctl::nginxconf
