#include "store/file_system.h"

#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/statfs.h>

#include <algorithm>
#include <array>

namespace grantfs {
namespace {

struct Known {
  unsigned type;
  const char* name;
  bool is_own;
  bool forgets_handles;
};

// Those that linux/magic.h has no name for.
constexpr unsigned kFuse = 0x65735546;  // FUSE_SUPER_MAGIC; fuseblk has it too, such as ntfs-3g
constexpr unsigned kExfat = 0x2011BAB0;
constexpr unsigned kCifs = 0xFF534D42;
constexpr unsigned kSmb2 = 0xFE534D42;
constexpr unsigned kCeph = 0x00C36400;

/// The fh_to_dentry() of those that forget handles looks in memory and nowhere else. FUSE counts
/// among them: some FUSE daemons find every handle, but that cannot be seen from here.
constexpr std::array<Known, 13> kKnown{{
    {EXT4_SUPER_MAGIC, "ext4", true, false},
    {XFS_SUPER_MAGIC, "XFS", true, false},
    {BTRFS_SUPER_MAGIC, "btrfs", true, false},
    {F2FS_SUPER_MAGIC, "F2FS", true, false},
    {TMPFS_MAGIC, "tmpfs", true, false},
    {NFS_SUPER_MAGIC, "NFS", false, false},
    {kCifs, "SMB", false, false},
    {kSmb2, "SMB", false, false},
    {V9FS_MAGIC, "9p", false, false},
    {kCeph, "Ceph", false, false},
    {kFuse, "FUSE", false, true},
    {MSDOS_SUPER_MAGIC, "FAT", false, true},
    {kExfat, "exFAT", false, true},
}};

}  // namespace

FileSystem FileSystem::of(const UniqueFd& folder) {
  struct statfs status = {};
  if (::fstatfs(folder.get(), &status) != 0) return {"an unknown file system"};
  const auto type = static_cast<unsigned>(status.f_type);  // CIFS's has its highest bit set
  const auto* const known = std::ranges::find(kKnown, type, &Known::type);
  if (known == kKnown.end()) {
    return {fmt::format("a file system of type {:#x}", type), false, false};
  }
  return {known->name, known->is_own, known->forgets_handles};
}

std::chrono::seconds FileSystem::clock_difference() const {
  constexpr std::chrono::seconds kMost{60};
  return is_own ? std::chrono::seconds(0) : kMost;
}

}  // namespace grantfs
