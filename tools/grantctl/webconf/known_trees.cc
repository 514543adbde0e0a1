#include "webconf/known_trees.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
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

void add_mounted(std::vector<Tree>& trees) {
  std::ifstream table("/proc/self/mountinfo");
  for (std::string line; std::getline(table, line);) {
    const auto dash = line.find(" - ");
    if (dash == line.npos || !line.substr(dash + 3).starts_with("fuse.grantfs ")) continue;
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    add_tree(trees, Tree::Kind::kMount, without_octal(word));
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
  add_mounted(trees);
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
  return trees;
}

}  // namespace grantctl
