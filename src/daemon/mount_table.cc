#include "daemon/mount_table.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

namespace grantfs {
namespace {

namespace fs = std::filesystem;

bool begins_with(const fs::path& path, const fs::path& beginning) {
  const auto [beginning_end, path_end] =
      std::mismatch(beginning.begin(), beginning.end(), path.begin(), path.end());
  return beginning_end == beginning.end();
}

/// The path within the mount's file system.
fs::path within(const MountInfo& mount, const fs::path& path) {
  return path == mount.point ? mount.root : mount.root / path.lexically_relative(mount.point);
}

}  // namespace

MountTable MountTable::read() {
  MountTable table;
  table.mounts_ = read_mount_info();
  return table;
}

const MountInfo* MountTable::mounted_on(const fs::path& path) const {
  const auto last = std::find_if(mounts_.rbegin(), mounts_.rend(),
                                 [&](const MountInfo& mount) { return mount.point == path; });
  return last == mounts_.rend() ? nullptr : &*last;
}

const MountInfo* MountTable::containing(const fs::path& path) const {
  struct statx status = {};
  constexpr int kAskNobody = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (::statx(AT_FDCWD, path.c_str(), kAskNobody, STATX_MNT_ID, &status) != 0 ||
      (status.stx_mask & STATX_MNT_ID) == 0) {
    return nullptr;
  }
  const auto found = std::ranges::find(mounts_, status.stx_mnt_id, &MountInfo::id);
  return found == mounts_.end() ? nullptr : &*found;
}

bool MountTable::leads_through(const fs::path& path, std::string_view type) const {
  for (fs::path at = path;; at = at.parent_path()) {
    const MountInfo* mount = containing(at);
    if (mount != nullptr && mount->type == type) return true;
    if (at == at.parent_path()) return false;
  }
}

bool MountTable::lies_inside(const fs::path& inner, const fs::path& outer) const {
  if (begins_with(inner, outer)) return true;
  const MountInfo* of_outer = containing(outer);
  if (of_outer == nullptr) return false;
  const fs::path there = within(*of_outer, outer);
  // A mount on any folder above `inner` may hide the place where `inner` lies: so each folder above
  // is compared too.
  for (fs::path at = inner;; at = at.parent_path()) {
    const MountInfo* mount = containing(at);
    if (mount != nullptr && mount->device == of_outer->device &&
        begins_with(within(*mount, at), there)) {
      return true;
    }
    if (at == at.parent_path()) return false;
  }
}

}  // namespace grantfs
