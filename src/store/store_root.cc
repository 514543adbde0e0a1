#include "store/store_root.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sodium.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

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

/// Whether the kernel tells what it has in memory of a folder from what needs waiting.
bool knows_resolve_cached(const UniqueFd& folder) {
  const auto root = resolve_beneath(folder.get(), ".", Waiting::kRefused);
  return root || root.error().value == EAGAIN;
}

/// Makes the file's identity from its handle, or from `otherwise` if the handle is empty.
FileId identity_of(const FileIdKey& key, const FileHandle& handle,
                   const KnownFiles::Key& otherwise) {
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
      file_system_(FileSystem::of(folder_)),
      has_lasting_handles_(!file_system_.forgets_handles),
      tells_what_is_cached_(file_system_.is_own && knows_resolve_cached(folder_)),
      generation_(generation),
      key_(key),
      known_(file_system_.clock_difference()) {
  if (!has_lasting_handles_) {
    why_not_by_handle_ =
        fmt::format("the store is on {}, whose file handles do not last", file_system_.name);
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

Result<UniqueFd, Errno> StoreRoot::resolve(const StorePath& path, Waiting waiting) const {
  if (file_system_.is_own) return resolve_beneath(folder_.get(), path.text().c_str(), waiting);
  if (path.text().size() > StorePath::kMaxBytes) return Errno{ENOENT};
  auto at = resolve_beneath(folder_.get(), "", waiting);
  for (std::string_view rest = path.text(); at && !rest.empty();) {
    // NFS looks a name up again if it finds that the folder has changed, and takes its own word for
    // it for up to `acdirmax` (nfs_check_verifier() in fs/nfs/dir.c), 60 seconds by default.
    struct statx status = {};
    if (::statx(at->get(), "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, kSightingMask, &status) != 0)
      return absent_or(errno);
    const std::size_t length = std::min(rest.find('/'), rest.size());
    at = resolve_beneath(at->get(), std::string(rest.substr(0, length)).c_str(), waiting);
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return at;
}

Result<Found, Errno> StoreRoot::examine(int fd, FileHandle* handle) const {
  return examine(fd, handle, AT_STATX_FORCE_SYNC);
}

Result<Found, Errno> StoreRoot::examine(int fd, FileHandle* handle, int flags) const {
  const timespec asked = realtime();
  struct statx status = {};
  if (::statx(fd, "", AT_EMPTY_PATH | flags, kSightingMask, &status) != 0) return absent_or(errno);
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
  found.settled = known_.is_told_apart(to_timespec(status.stx_ctime), asked);
  const KnownFiles::Key key{status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
                            to_timespec(status.stx_btime)};
  const bool has_birth_time = (status.stx_mask & STATX_BTIME) != 0;
  auto known = has_birth_time ? known_.find(key) : std::nullopt;
  if (!known) {
    FileHandle own = lasting_handle(fd);
    const FileId id = identity_of(key_, own, key);
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
