#include "nginxconf/routes.h"

#include <algorithm>
#include <array>

namespace grantctl::nginxconf {

namespace {

/// A location, and the root or alias that counts in it.
struct Handler {
  const Directive* location = nullptr;
  const Directive* root = nullptr;
};

const Directive* root_in(const Directive& block, const Directive* inherited) {
  for (const Directive& directive : block.block) {
    if ((directive.name == "root" || directive.name == "alias") && !directive.arguments.empty()) {
      return &directive;
    }
  }
  return inherited;
}

/// The prefix that it has; null for a pattern and for a name.
const std::string* prefix_of(const Directive& location) {
  const auto& arguments = location.arguments;
  if (arguments.empty() || arguments[0].starts_with('~') || arguments[0].starts_with('@')) {
    return nullptr;
  }
  return &arguments.back();
}

void find_handlers(const std::string& fixed, const Directive& block, const Directive* root,
                   Handler& best, std::vector<Handler>& patterns) {
  for (const Directive& location : block.block) {
    if (location.name != "location") continue;
    const Directive* own = root_in(location, root);
    if (const std::string* prefix = prefix_of(location)) {
      const bool longer =
          best.location == nullptr || prefix->size() >= prefix_of(*best.location)->size();
      const bool exact = location.arguments.front() == "=";
      if (longer && (exact ? fixed == *prefix : fixed.starts_with(*prefix))) {
        best = {&location, own};
      }
    } else if (own != root && own->name == "root" && !location.arguments[0].starts_with('@')) {
      patterns.push_back({&location, own});
    }
    find_handlers(fixed, location, own, best, patterns);
  }
}

}  // namespace

std::string with_single_slashes(std::string path) {
  for (const std::string_view name : {"$uri", "$document_uri", "$request_uri"}) {
    for (auto at = path.find(name); at != path.npos; at = path.find(name, at + 2)) {
      path.insert(at, "/");
    }
  }
  for (auto at = path.find("//"); at != path.npos; at = path.find("//")) path.erase(at, 1);
  return path;
}

bool hands_on(const Directive& block) {
  static constexpr std::array<std::string_view, 6> kOthers = {
      "proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"};
  if (std::ranges::any_of(kOthers, [&](auto name) { return block.find(name) != nullptr; })) {
    return true;
  }
  const Directive* deny = block.find("deny");
  return deny != nullptr && block.find("allow") == nullptr && !deny->arguments.empty() &&
         deny->arguments[0] == "all";
}

bool answers_without_files(const Directive& block) {
  return hands_on(block) || block.find("return") != nullptr;
}

std::string path_in(const std::string& uri, const Directive* location, const Directive& root) {
  const std::string& folder = root.arguments[0];
  const std::string* prefix = location == nullptr ? nullptr : prefix_of(*location);
  if (root.name == "root" || prefix == nullptr) return with_single_slashes(folder + '/' + uri);
  // What the location matched is taken off, and the alias put in its place.
  const std::string rest = uri.starts_with(*prefix) ? uri.substr(prefix->size()) : uri;
  return with_single_slashes(folder + rest);
}

std::vector<std::string> paths_of(const std::string& uri, const Directive& server,
                                  const Directive* inherited) {
  Handler best;
  std::vector<Handler> handlers;
  const Directive* root = root_in(server, inherited);
  find_handlers(uri.substr(0, uri.find('$')), server, root, best, handlers);
  if (best.location == nullptr) best.root = root;
  handlers.push_back(best);
  std::vector<std::string> paths;
  for (const Handler& handler : handlers) {
    const Directive& block = handler.location == nullptr ? server : *handler.location;
    if (handler.root == nullptr || answers_without_files(block)) continue;
    paths.push_back(path_in(uri, handler.location, *handler.root));
  }
  return paths;
}

}  // namespace grantctl::nginxconf
