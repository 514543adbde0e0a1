#include "webconf/known_trees.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

#include "control/client.h"

namespace grantctl {

namespace {

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

/// As mountinfo writes a path: \040 is a blank (proc_pid_mountinfo(5)).
std::string without_octal(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '\\' && i + 3 < text.size();
    plain += escaped ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (escaped) i += 3;
  }
  return plain;
}

/// A line of mountinfo, as far as it matters here.
struct Mounted {
  std::string device;  ///< major:minor
  std::string root;    ///< what of the file system is mounted
  std::string point;
  bool is_grantfs = false;
};

std::vector<Mounted> read_mounts() {
  std::vector<Mounted> mounts;
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string ignored;
    Mounted mounted;
    if (!(words >> ignored >> ignored >> mounted.device >> mounted.root >> mounted.point)) continue;
    mounted.root = without_octal(mounted.root);
    mounted.point = without_octal(mounted.point);
    const auto dash = line.find(" - ");
    mounted.is_grantfs = dash != line.npos && line.substr(dash + 3).starts_with("fuse.grantfs ");
    mounts.push_back(std::move(mounted));
  }
  return mounts;
}

/// The rest of a path below a folder, with its slash; nothing if it is not there or below.
std::optional<std::string> below(const std::string& folder, const std::string& path) {
  if (folder == "/") return path == "/" ? "" : path;
  if (!path.starts_with(folder)) return std::nullopt;
  const std::string rest = path.substr(folder.size());
  if (!rest.empty() && rest[0] != '/') return std::nullopt;
  return rest;
}

/// Adds where else a folder, or a part of it, is mounted (mount --bind).
void add_other_mounts(std::vector<Tree>& trees, const std::vector<Mounted>& mounts) {
  const std::vector<Tree> known = trees;
  for (const Tree& tree : known) {
    if (tree.kind == Tree::Kind::kMount) continue;
    const Mounted* on = nullptr;
    for (const Mounted& mounted : mounts) {
      const bool deeper = on == nullptr || mounted.point.size() >= on->point.size();
      if (below(mounted.point, tree.path) && deeper) on = &mounted;
    }
    if (on == nullptr) continue;
    const std::string inside =
        (on->root == "/" ? "" : on->root) + below(on->point, tree.path).value_or("");
    for (const Mounted& other : mounts) {
      if (other.device != on->device) continue;
      if (const auto rest = below(other.root, inside)) {
        add_tree(trees, tree.kind, other.point + *rest);
      } else if (below(inside, other.root)) {
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
  const auto mounts_now = read_mounts();
  for (const Mounted& mounted : mounts_now) {
    if (mounted.is_grantfs && mounted.root == "/")
      add_tree(trees, Tree::Kind::kMount, mounted.point);
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
