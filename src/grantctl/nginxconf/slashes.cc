#include "grantctl/nginxconf/slashes.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>

namespace grantctl::nginxconf {

namespace {

bool is_under_mount(const std::string& path, const std::vector<Tree>& trees) {
  const std::string fixed = path.substr(0, path.find('$')) + "/";
  return std::ranges::any_of(trees, [&](const Tree& tree) {
    return tree.kind == Tree::Kind::kMount && fixed.starts_with(tree.path + "/");
  });
}

void add_mount_in(const std::string& path, std::vector<Tree>& trees) {
  // "from" and "expired" are not among these views: other trees have folders of these names too.
  static constexpr std::array<std::string_view, 7> kViews = {
      "/by-session/", "/by-user/", "/by-link/",   "/by-signature/",
      "/by-md5/",     "/by-uid/",  "/by-process/"};
  if (!path.starts_with('/')) return;
  for (const std::string_view view : kViews) {
    auto at = (path + "/").find(view);
    if (at == path.npos || at == 0) continue;
    // /from/ADDRESS may stand between the mount and the view.
    const auto from = path.substr(0, at).find("/from/");
    if (from != path.npos) at = from;
    const std::string mount = path.substr(0, at);
    if (mount.empty() || mount.find('$') != mount.npos) continue;
    const bool known = std::ranges::any_of(trees, [&](const Tree& tree) {
      return tree.kind == Tree::Kind::kMount && tree.path == mount;
    });
    if (!known) trees.push_back({Tree::Kind::kMount, mount});
  }
}

void collect_mounts(const Directive& block, std::vector<Tree>& trees) {
  for (const Directive& directive : block.block) {
    const bool is_path = directive.name == "root" || directive.name == "alias";
    if (is_path && !directive.arguments.empty()) add_mount_in(directive.arguments[0], trees);
    if (directive.name == "set" && directive.arguments.size() == 2) {
      add_mount_in(directive.arguments[1], trees);
    }
    if (block.name == "map" && directive.arguments.size() == 1) {
      add_mount_in(directive.arguments[0], trees);
    }
    collect_mounts(directive, trees);
  }
}

}  // namespace

std::optional<Finding> off_by_slash(const Spot& spot, const std::vector<Tree>& trees) {
  const Directive& location = *spot.block;
  const Directive* alias = location.find("alias");
  if (alias == nullptr || alias->arguments.empty() || is_pattern_location(location) ||
      is_named_location(location) || location.arguments.empty() ||
      location.arguments.front() == "=") {
    return std::nullopt;
  }
  const std::string& prefix = key_of(location);
  const std::string& path = alias->arguments[0];
  if (!prefix.ends_with('/') && path.ends_with('/')) {
    return Finding{location.place, "off-by-slash",
                   fmt::format("location {0} does not end in '/', but its alias {1} does: "
                               "\"{0}../\" leads out of it",
                               prefix, path),
                   fmt::format("write: location {}/", prefix)};
  }
  if (prefix.ends_with('/') && !path.ends_with('/') && is_under_mount(path, trees)) {
    return Finding{alias->place, "off-by-slash",
                   fmt::format("location {} ends in '/', but its alias {} does not: what follows "
                               "is taken for the rest of that name",
                               prefix, path),
                   fmt::format("write: alias {}/;", path)};
  }
  return std::nullopt;
}

void add_mounts_shown_by_paths(const Directive& top, std::vector<Tree>& trees) {
  collect_mounts(top, trees);
}

}  // namespace grantctl::nginxconf
