#include "store/store_root.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sodium.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "store/beneath.h"
#include "store/file_times.h"

namespace grantfs {
namespace {

/// Opens the folder through a new mount of its own (open_tree(2)) with every restriction that a
/// mount can have. Returns an invalid descriptor if the process may not make mounts.
UniqueFd mount_unchanging(const UniqueFd& folder) {
  const UniqueFd tree(static_cast<int>(
      ::syscall(SYS_open_tree, folder.get(), "",
                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | static_cast<unsigned>(AT_EMPTY_PATH))));
  if (!tree) return {};
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                        MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOATIME;
  attributes.attr_clr = MOUNT_ATTR__ATIME;
  if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) !=
      0) {
    return {};
  }
  return UniqueFd(::openat(tree.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/// Whether the folder's filesystem can tell what the kernel has in memory from what needs waiting.
/// A filesystem that asks another machine, a process, or a filesystem below it may have to wait
/// even for the size of a file that the kernel knows.
bool tells_what_is_cached(const UniqueFd& folder) {
  constexpr std::array<long, 5> kAskNobody{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                           F2FS_SUPER_MAGIC, TMPFS_MAGIC};
  struct statfs status = {};
  if (::fstatfs(folder.get(), &status) != 0) return false;
  if (std::ranges::find(kAskNobody, status.f_type) == kAskNobody.end()) return false;
  const auto root = resolve_beneath(folder.get(), ".", Waiting::kRefused);
  return root || root.error().value == EAGAIN;
}

/// The name of the folder's filesystem, if its handles are good only as long as the kernel has the
/// file in memory. The fh_to_dentry() of each of these looks in memory and nowhere else. FUSE
/// counts among them: some FUSE daemons find every handle, but that cannot be seen from here. Null:
/// handles stay good.
const char* forgets_handles(const UniqueFd& folder) {
  constexpr auto kFuse = 0x65735546;   // FUSE_SUPER_MAGIC; fuseblk has it too, such as ntfs-3g
  constexpr auto kExfat = 0x2011BAB0;  // EXFAT_SUPER_MAGIC
  struct statfs status = {};
  if (::fstatfs(folder.get(), &status) != 0) return "an unknown file system";
  switch (status.f_type) {
    case kFuse:
      return "FUSE";
    case MSDOS_SUPER_MAGIC:
      return "FAT";
    case kExfat:
      return "exFAT";
    default:
      return nullptr;
  }
}

/// Makes the file's identity from its handle, or from `otherwise` if the handle is empty.
FileId identify(const FileIdKey& key, const FileHandle& handle, const KnownFiles::Key& otherwise) {
  crypto_generichash_state state;
  std::array<unsigned char, sizeof(FileId)> digest{};
  crypto_generichash_init(&state, key.data(), key.size(), digest.size());
  const auto add = [&](const void* bytes, std::size_t size) {
    crypto_generichash_update(&state, static_cast<const unsigned char*>(bytes), size);
  };
  if (handle.empty()) {
    const std::int64_t born = to_nanoseconds(otherwise.born);
    add(&otherwise.inode, sizeof otherwise.inode);
    add(&born, sizeof born);
  } else {
    add(handle.view().data(), handle.view().size());
  }
  crypto_generichash_final(&state, digest.data(), digest.size());
  FileId id;
  std::memcpy(&id, digest.data(), sizeof id);
  return id;
}

}  // namespace

StoreRoot::StoreRoot(UniqueFd folder, std::uint16_t generation, const FileIdKey& key)
    : folder_(std::move(folder)),
      tells_what_is_cached_(grantfs::tells_what_is_cached(folder_)),
      generation_(generation),
      key_(key) {
  if (const char* forgetful = forgets_handles(folder_)) {
    has_lasting_handles_ = false;
    why_not_by_handle_ =
        fmt::format("the store is on {}, whose file handles do not last", forgetful);
    return;
  }
  const FileHandle handle = handle_of(folder_.get(), generation_);
  if (handle.empty()) {
    why_not_by_handle_ = "the store's file system gives no file handles";
  } else if (auto opened = this->open(handle, O_PATH); !opened) {
    why_not_by_handle_ = fmt::format("opening the store's files by handle fails: {}",
                                     std::strerror(opened.error().value));
  } else {
    unchanging_ = mount_unchanging(folder_);
  }
}

Result<Found, Errno> StoreRoot::examine(int fd, FileHandle* handle) const {
  const timespec asked = realtime();
  struct statx status = {};
  // AT_STATX_DONT_SYNC is not set: a network filesystem's memory of a file may be arbitrarily old.
  if (::statx(fd, "", AT_EMPTY_PATH, kSightingMask, &status) != 0) return absent_or(errno);
  Found found{};
  if (S_ISREG(status.stx_mode)) {
    found.type = Found::Type::kFile;
  } else if (S_ISDIR(status.stx_mode)) {
    found.type = Found::Type::kFolder;
  } else {
    return Errno{ENOENT};
  }
  found.size = status.stx_size;
  found.modified = to_timespec(status.stx_mtime);
  found.changed = to_nanoseconds(to_timespec(status.stx_ctime));
  found.settled = KnownFiles::is_told_apart(to_timespec(status.stx_ctime), asked);
  const KnownFiles::Key key{status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
                            to_timespec(status.stx_btime)};
  const bool has_birth_time = (status.stx_mask & STATX_BTIME) != 0;
  auto known = has_birth_time ? known_.find(key) : std::nullopt;
  if (!known) {
    FileHandle own = lasting_handle(fd);
    const FileId id = identify(key_, own, key);
    known.emplace(KnownFiles::Known{id, std::move(own)});
    if (has_birth_time) known_.keep(key, *known, asked);
  }
  found.id = known->id;
  if (handle != nullptr) *handle = std::move(known->handle);
  return found;
}

Result<UniqueFd, Errno> StoreRoot::open(const FileHandle& handle, int flags) const {
  return open_by_handle(folder_, handle, generation_, flags);
}

Result<UniqueFd, Errno> StoreRoot::open_without_atime(const FileHandle& handle, int flags) const {
  auto fd = open(handle, flags | O_NOATIME);
  if (!fd && fd.error().value == EPERM) fd = open(handle, flags);
  return fd;
}

Result<UniqueFd, Errno> StoreRoot::open_unchanging(const FileHandle& handle, int flags) const {
  if (!unchanging_) return Errno{EPERM};
  return open_by_handle(unchanging_, handle, generation_, flags);
}

FileHandle StoreRoot::lasting_handle(int fd) const {
  return has_lasting_handles_ ? handle_of(fd, generation_) : FileHandle();
}

}  // namespace grantfs
