#include "tree/attributes/shown_attributes.h"

namespace grantfs {
namespace {

constexpr mode_t kFileMode = S_IFREG | 0444;
constexpr mode_t kFolderMode = S_IFDIR | 0555;
/// What symbolic links have: symlink(7).
constexpr mode_t kLinkMode = S_IFLNK | 0777;
/// May be passed, but neither listed nor watched: inotify(7) needs read permission.
constexpr mode_t kUnlistableMode = S_IFDIR | 0711;
constexpr mode_t kGroupOnlyMode = S_IFDIR | 0710;
constexpr std::uint64_t kMarkerInode = 9;

}  // namespace

struct stat ShownAttributes::of_file(uid_t owner, const Found& found) const {
  constexpr std::uint64_t kBlockBytes = 512;  // st_blocks' unit, stat(2)
  constexpr blksize_t kPreferredBytes = 4096;
  struct stat shown = {};
  shown.st_mode = kFileMode;
  shown.st_nlink = 1;
  shown.st_uid = owner;
  shown.st_ino = numbers_.of_file(found.id);
  shown.st_size = static_cast<off_t>(found.size);
  shown.st_blocks = static_cast<blkcnt_t>((found.size + kBlockBytes - 1) / kBlockBytes);
  shown.st_blksize = kPreferredBytes;
  // Access and change times would tell of other readers, and of the store's own housekeeping.
  shown.st_mtim = shown.st_atim = shown.st_ctim = found.modified;
  return shown;
}

struct stat ShownAttributes::of_folder(const View& view, const StorePath& path,
                                       const Found* found) const {
  struct stat shown = {};
  shown.st_mode = path == view.root ? view.traits.root_mode : kFolderMode;
  shown.st_nlink = 1;
  shown.st_uid = view.shown_owner;
  shown.st_ino = numbers_.of_folder(view, path);
  shown.st_size = found != nullptr ? static_cast<off_t>(found->size) : 0;
  shown.st_mtim = found != nullptr ? found->modified : mounted_;
  shown.st_atim = shown.st_ctim = shown.st_mtim;
  return shown;
}

struct stat ShownAttributes::fixed(mode_t mode, std::uint64_t inode) const {
  struct stat shown = {};
  shown.st_mode = mode;
  shown.st_nlink = 1;
  shown.st_ino = inode;
  shown.st_mtim = shown.st_atim = shown.st_ctim = mounted_;
  return shown;
}

struct stat ShownAttributes::of_door(const Door& door, const std::optional<Address>& from) const {
  const std::uint64_t own = door.traits().inode;
  const std::uint64_t inode = from ? numbers_.below_address(*from, own) : own;
  // No size, as of /proc/self: it differs by caller.
  if (door.is_link()) return fixed(kLinkMode, inode);
  if (door.traits().passers == Door::Passers::kEveryone) return fixed(kFolderMode, inode);
  const std::optional<gid_t> group = door.passing_group();
  struct stat shown = fixed(group ? kGroupOnlyMode : kUnlistableMode, inode);
  shown.st_gid = group.value_or(0);
  return shown;
}

struct stat ShownAttributes::of_marker() const {
  return fixed(kFileMode, kMarkerInode);
}

}  // namespace grantfs
