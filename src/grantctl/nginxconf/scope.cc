#include "grantctl/nginxconf/scope.h"

#include <algorithm>
#include <array>
#include <set>

namespace grantctl::nginxconf {

namespace {

/// The directives of which a block may have several.
const std::set<std::string_view>& named_several_times() {
  static const std::set<std::string_view> kNames = {"access_log",
                                                    "allow",
                                                    "deny",
                                                    "error_page",
                                                    "auth_request_set",
                                                    "add_header",
                                                    "error_log",
                                                    "set_real_ip_from",
                                                    "listen",
                                                    "proxy_set_header",
                                                    "server_name",
                                                    "js_content",
                                                    "js_set"};
  return kNames;
}

}  // namespace

Scope Scope::within(const Directive& block) const {
  Scope inner = *this;
  inner.try_files = nullptr;  // blocks within do not inherit try_files
  if (block.name == "server") {
    inner.server = &block;
    inner.location = nullptr;
  }
  if (block.name == "location") {
    inner.location = &block;
    inner.is_internal = is_named_location(block);
  }
  std::set<std::string_view> own;
  for (const Directive& directive : block.block) {
    const std::string_view name = directive.name;
    // allow and deny are kept in one list, in their order.
    const std::string_view list = name == "deny" ? std::string_view("allow") : name;
    if (named_several_times().contains(name)) {
      auto& all = inner.several_[list];
      if (own.insert(list).second) all.clear();
      all.push_back(&directive);
    } else if (!directive.has_block) {
      inner.single_[name] = &directive;
    }
    if (directive.arguments.empty()) {
      if (name == "internal") inner.is_internal = true;
      continue;
    }
    if (name == "root" || name == "alias") {
      inner.root = &directive;
      inner.root_location = inner.location;
    }
    if (name == "try_files") inner.try_files = &directive;
  }
  return inner;
}

const Directive* Scope::find(std::string_view name) const {
  const auto found = single_.find(name);
  return found == single_.end() ? nullptr : found->second;
}

const std::vector<const Directive*>& Scope::all(std::string_view name) const {
  static const std::vector<const Directive*> kNone;
  const auto found = several_.find(name);
  return found == several_.end() ? kNone : found->second;
}

std::string Scope::word(std::string_view name) const {
  const Directive* directive = find(name);
  return directive == nullptr || directive->arguments.empty() ? "" : directive->arguments.front();
}

bool is_pattern_location(const Directive& location) {
  return location.arguments.size() == 2 && location.arguments[0].starts_with('~');
}

bool is_named_location(const Directive& location) {
  return !location.arguments.empty() && location.arguments[0].starts_with('@');
}

const std::string& key_of(const Directive& location) {
  static const std::string kNone;
  return location.arguments.empty() ? kNone : location.arguments.back();
}

bool hands_on(const Directive& block) {
  static constexpr std::array<std::string_view, 6> kOthers = {
      "proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"};
  return std::ranges::any_of(kOthers, [&](auto name) { return block.find(name) != nullptr; });
}

}  // namespace grantctl::nginxconf
