#include "daemon/mount_table.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <ranges>
#include <sstream>

namespace grantfs {
namespace {

namespace fs = std::filesystem;

/// Undoes the octal escapes of /proc/self/mountinfo (space, tab, newline, backslash; proc(5)).
std::string unescape(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      plain += static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                 (text[i + 3] - '0'));
      i += 3;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

bool begins_with(const fs::path& path, const fs::path& beginning) {
  const auto [beginning_end, path_end] =
      std::mismatch(beginning.begin(), beginning.end(), path.begin(), path.end());
  return beginning_end == beginning.end();
}

/// The path within its file system.
fs::path within(const MountTable::Mount& mount, const fs::path& path) {
  return path == mount.point ? mount.root : mount.root / path.lexically_relative(mount.point);
}

}  // namespace

MountTable MountTable::read() {
  MountTable table;
  std::ifstream lines("/proc/self/mountinfo");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    Mount mount{};
    std::string parent, root, point, field;
    fields >> mount.id >> parent >> mount.device >> root >> point;
    while (fields >> field && field != "-") {
    }
    fields >> mount.type;
    mount.root = unescape(root);
    mount.point = unescape(point);
    if (fields) table.mounts_.push_back(std::move(mount));
  }
  return table;
}

const MountTable::Mount* MountTable::mounted_on(const fs::path& path) const {
  for (const Mount& mount : mounts_ | std::views::reverse) {
    if (mount.point == path) return &mount;
  }
  return nullptr;
}

const MountTable::Mount* MountTable::containing(const fs::path& path) const {
  struct statx status = {};
  constexpr int kAskNobody = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (::statx(AT_FDCWD, path.c_str(), kAskNobody, STATX_MNT_ID, &status) != 0 ||
      (status.stx_mask & STATX_MNT_ID) == 0) {
    return nullptr;
  }
  const auto found = std::ranges::find(mounts_, status.stx_mnt_id, &Mount::id);
  return found == mounts_.end() ? nullptr : &*found;
}

bool MountTable::leads_through(const fs::path& path, std::string_view type) const {
  for (fs::path at = path;; at = at.parent_path()) {
    const Mount* mount = containing(at);
    if (mount != nullptr && mount->type == type) return true;
    if (at == at.parent_path()) return false;
  }
}

bool MountTable::lies_inside(const fs::path& inner, const fs::path& outer) const {
  if (begins_with(inner, outer)) return true;
  const Mount* of_outer = containing(outer);
  if (of_outer == nullptr) return false;
  const fs::path there = within(*of_outer, outer);
  // What is mounted on the way to `inner` may hide where that lies: each folder above counts.
  for (fs::path at = inner;; at = at.parent_path()) {
    const Mount* mount = containing(at);
    if (mount != nullptr && mount->device == of_outer->device &&
        begins_with(within(*mount, at), there)) {
      return true;
    }
    if (at == at.parent_path()) return false;
  }
}

}  // namespace grantfs
