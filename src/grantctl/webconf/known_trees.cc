#include "grantctl/webconf/known_trees.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/mount_info.h"
#include "control/client.h"

namespace grantctl {

namespace {

using grantfs::MountInfo;
using nginxconf::Tree;

void add_tree(std::vector<Tree>& trees, Tree::Kind kind, const std::filesystem::path& path) {
  if (path.empty()) return;
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed);
  if (failed) return;
  const auto real = std::filesystem::weakly_canonical(absolute, failed);
  for (const auto& one : {absolute.lexically_normal(), failed ? absolute : real}) {
    std::string text = one.native();
    while (text.size() > 1 && text.ends_with('/')) text.pop_back();
    const bool known = std::ranges::any_of(
        trees, [&](const Tree& tree) { return tree.kind == kind && tree.path == text; });
    if (!known && text != "/") trees.push_back({kind, text});
  }
}

/// The rest of a path below a folder, with its slash; nothing if the path is neither the folder nor
/// below it.
std::optional<std::string> below(const std::string& folder, const std::string& path) {
  if (folder == "/") return path == "/" ? "" : path;
  if (!path.starts_with(folder)) return std::nullopt;
  const std::string rest = path.substr(folder.size());
  if (!rest.empty() && rest[0] != '/') return std::nullopt;
  return rest;
}

/// Adds the other places where a folder, or a part of a folder, is mounted (mount --bind).
void add_other_mounts(std::vector<Tree>& trees, const std::vector<MountInfo>& mounts) {
  const std::vector<Tree> known = trees;
  for (const Tree& tree : known) {
    if (tree.kind == Tree::Kind::kMount) continue;
    const MountInfo* on = nullptr;
    for (const MountInfo& mounted : mounts) {
      const bool deeper =
          on == nullptr || mounted.point.native().size() >= on->point.native().size();
      if (below(mounted.point.native(), tree.path) && deeper) on = &mounted;
    }
    if (on == nullptr) continue;
    const std::string inside = (on->root == "/" ? "" : on->root.native()) +
                               below(on->point.native(), tree.path).value_or("");
    for (const MountInfo& other : mounts) {
      if (other.device != on->device) continue;
      if (const auto rest = below(other.root.native(), inside)) {
        add_tree(trees, tree.kind, other.point.native() + *rest);
      } else if (below(inside, other.root.native())) {
        add_tree(trees, tree.kind, other.point);
      }
    }
  }
}

void add_daemon(std::vector<Tree>& trees, const grantfs::DaemonStatus& daemon) {
  add_tree(trees, Tree::Kind::kMount, daemon.mountpoint);
  add_tree(trees, Tree::Kind::kStore, daemon.store);
  add_tree(trees, Tree::Kind::kPolicy, daemon.database.parent_path());
}

}  // namespace

std::vector<Tree> known_trees(Context& context, const std::vector<std::string>& mounts,
                              const std::vector<std::string>& stores) {
  std::vector<Tree> trees;
  if (mounts.empty()) add_tree(trees, Tree::Kind::kMount, "/srv/files");
  for (const std::string& mount : mounts) add_tree(trees, Tree::Kind::kMount, mount);
  for (const std::string& store : stores) add_tree(trees, Tree::Kind::kStore, store);
  const auto mounts_now = grantfs::read_mount_info();
  for (const MountInfo& mounted : mounts_now) {
    if (mounted.type == "fuse.grantfs" && mounted.root == "/") {
      add_tree(trees, Tree::Kind::kMount, mounted.point);
    }
  }
  if (const auto socket = context.control()) {
    if (const auto status = grantfs::ask_status(*socket)) add_daemon(trees, *status);
  }
  std::error_code failed;
  for (const auto& entry :
       std::filesystem::directory_iterator(grantfs::control::kDefaultDirectory, failed)) {
    if (entry.path().extension() != ".sock") continue;
    if (const auto status = grantfs::ask_status(entry.path())) add_daemon(trees, *status);
  }
  if (const auto database = context.database();
      database && std::filesystem::exists(*database, failed)) {
    add_tree(trees, Tree::Kind::kPolicy, database->parent_path());
    if (const auto search = context.daemons()) {
      for (const auto& daemon : search->found) add_daemon(trees, daemon);
    }
  }
  add_other_mounts(trees, mounts_now);
  return trees;
}

}  // namespace grantctl
