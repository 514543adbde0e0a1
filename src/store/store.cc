#include "store/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sodium.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/quote.h"

namespace grantfs {
namespace {

/// "Not there" in all its forms: no such name, a symbolic link or a mount point in the way, not
/// the type asked for, longer than names or paths can be.
bool means_absent(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
    case EACCES:
    case EPERM:
    case ENXIO:
      return true;
    default:
      return false;
  }
}

Errno to_errno(int error) {
  return Errno{means_absent(error) ? ENOENT : error};
}

constexpr std::uint64_t kBeneath =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

int openat2(int base, const char* path, std::uint64_t flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = flags;
  how.resolve = resolve;
  // EAGAIN: a rename went on meanwhile and the kernel could not tell whether the path stayed
  // beneath (openat2(2)); it asks for another try. With RESOLVE_CACHED, a rename or mount anywhere;
  // or not all of the path is in memory, and no try will do.
  const int tries = (resolve & RESOLVE_CACHED) != 0 ? 3 : 16;
  for (int i = 0; i < tries; ++i) {
    const long fd = ::syscall(SYS_openat2, base, path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
  return -1;
}

constexpr unsigned kSightingMask =
    STATX_TYPE | STATX_SIZE | STATX_MTIME | STATX_CTIME | STATX_INO | STATX_BTIME;

timespec to_timespec(const statx_timestamp& time) {
  return {time.tv_sec, static_cast<long>(time.tv_nsec)};
}

std::int64_t to_nanoseconds(const timespec& time) {
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

timespec realtime() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

int flags_for(Waiting waiting) {
  return waiting == Waiting::kAllowed ? 0 : O_NONBLOCK;
}

/// Big enough for any handle (MAX_HANDLE_SZ), with its header.
struct HandleBuffer {
  alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

/// The folder through a new mount of its own (open_tree(2)) with every restriction there is; an
/// invalid descriptor if we may not.
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

/// What stands before what the file system made of a handle. With it, the handles of ext4 and XFS
/// have 11 and 15 bytes, for which a std::string needs no memory of its own.
struct HandleHeader {
  std::uint8_t type;
  std::uint8_t generation_high;
  std::uint8_t generation_low;
};
constexpr std::size_t kHandleHeader = sizeof(HandleHeader);

HandleHeader header_of(int type, std::uint16_t generation) {
  return {static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(generation >> 8U),
          static_cast<std::uint8_t>(generation & 0xffU)};
}

/// The handle of an open file as bytes.
FileHandle handle_of(int fd, std::uint16_t generation) {
  HandleBuffer buffer;
  buffer.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(fd, "", buffer.get(), &mount_id, AT_EMPTY_PATH) != 0) return {};
  // All types there are fit into a byte (enum fid_type in linux/exportfs.h).
  constexpr int kLargestType = 0xff;
  const int type = buffer.get()->handle_type;
  if (type < 0 || type > kLargestType) return {};
  FileHandle handle(kHandleHeader + buffer.get()->handle_bytes, '\0');
  const HandleHeader header = header_of(type, generation);
  std::memcpy(handle.data(), &header, sizeof header);
  std::memcpy(handle.data() + kHandleHeader, buffer.get()->f_handle, buffer.get()->handle_bytes);
  return handle;
}

/// Whether what the kernel has in memory of the folder's filesystem can be told from what it would
/// wait for. A filesystem that asks somebody else (another machine, a process, one below it) can
/// have to wait for that even to say the size of a file that it knows.
bool tells_what_is_cached(const UniqueFd& folder) {
  constexpr std::array<long, 5> kAskNobody{EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                                           F2FS_SUPER_MAGIC, TMPFS_MAGIC};
  struct statfs status = {};
  if (::fstatfs(folder.get(), &status) != 0) return false;
  if (std::ranges::find(kAskNobody, status.f_type) == kAskNobody.end()) return false;
  const UniqueFd root(openat2(folder.get(), ".", O_PATH | O_CLOEXEC, kBeneath | RESOLVE_CACHED));
  return root || errno == EAGAIN;
}

/// The name of the folder's filesystem, if that is one whose handles are good only as long as the
/// kernel has the file in memory: each of its fh_to_dentry() looks there and nowhere else (of FUSE
/// those whose daemon does not say otherwise, which cannot be told from here). Null: it is not.
const char* forgets_handles(const UniqueFd& folder) {
  constexpr auto kFuse = 0x65735546;   // FUSE_SUPER_MAGIC; also of fuseblk, as ntfs-3g
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

}  // namespace

Store::Store(RootPointer root, UniqueFd own_descriptors, const FileIdKey& key)
    : why_not_by_handle_(root->why_not_by_handle),
      own_descriptors_(std::move(own_descriptors)),
      key_(key) {
  *root_->lock() = std::move(root);
}

Result<Store> Store::open(const std::filesystem::path& directory, const FileIdKey& key) {
  const auto refuse = [&](std::string_view what) {
    return Error{ErrorKind::kSystem,
                 fmt::format("{} {}: {}", what, quoted(directory.native()), std::strerror(errno))};
  };
  // Open for reading, not O_PATH: open_by_handle_at(2) wants it so.
  UniqueFd root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return refuse("cannot read the store");
  // Of this very process: a store must be opened after the last fork.
  UniqueFd own_descriptors(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!own_descriptors) return refuse("without /proc/self/fd, cannot open files of the store");
  return Store(make_root(std::move(root), 0), std::move(own_descriptors), key);
}

std::shared_ptr<Store::Root> Store::make_root(UniqueFd fd, std::uint16_t generation) {
  auto root = std::make_shared<Root>();
  root->fd = std::move(fd);
  root->generation = generation;
  root->tells_what_is_cached = tells_what_is_cached(root->fd);
  if (const char* forgetful = forgets_handles(root->fd)) {
    root->has_lasting_handles = false;
    root->why_not_by_handle =
        fmt::format("the store is on {}, whose file handles do not last", forgetful);
    return root;
  }
  const FileHandle handle = handle_of(root->fd.get(), generation);
  if (handle.empty()) {
    root->why_not_by_handle = "the store's file system gives no file handles";
  } else if (auto opened = open_handle(*root, root->fd, handle, O_PATH); !opened) {
    root->why_not_by_handle = fmt::format("opening the store's files by handle fails: {}",
                                          std::strerror(opened.error().value));
  } else {
    root->unchanging = mount_unchanging(root->fd);
  }
  return root;
}

Result<UniqueFd, Errno> Store::open_directory(const std::filesystem::path& path) {
  open_how how{};
  how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
  if (!fd) return Errno{errno};
  return fd;
}

Result<Store::Whereabouts> Store::follow(const std::filesystem::path& path,
                                         Result<UniqueFd, Errno> found) {
  const auto away = [&](std::string_view why) {
    const RootPointer old = std::exchange(*root_->lock(), nullptr);  // gone under no lock
    return Error{ErrorKind::kSystem, fmt::format("the store {} {}", quoted(path.native()), why)};
  };
  if (!found) return away(fmt::format("is away: {}", std::strerror(found.error().value)));
  struct stat there = {};
  if (::fstat(found->get(), &there) != 0) return away("is away: it cannot be looked at");
  const RootPointer before = root();
  struct stat held = {};
  const bool comparable = before != nullptr && ::fstat(before->fd.get(), &held) == 0;
  const bool same_system = comparable && held.st_dev == there.st_dev;
  if (same_system && held.st_ino == there.st_ino) return Whereabouts::kSame;
  if (!same_system && ++newest_generation_ == 0) {
    --newest_generation_;
    return away("was on too many file systems since the daemon was started: start it anew");
  }
  auto now = make_root(std::move(*found), newest_generation_);
  if (opens_by_handle() && !now->why_not_by_handle.empty()) {
    return away(
        fmt::format("is another directory by now, and the daemon has to be started anew for "
                    "it: {}",
                    now->why_not_by_handle));
  }
  const RootPointer old = std::exchange(*root_->lock(), std::move(now));
  return Whereabouts::kChanged;
}

Result<UniqueFd, Errno> Store::resolve(int base, const char* path, std::uint64_t how) {
  UniqueFd fd(openat2(base, *path == '\0' ? "." : path, O_PATH | O_NOFOLLOW | O_CLOEXEC, how));
  if (!fd) return to_errno(errno);
  return fd;
}

Result<Found, Errno> Store::examine(const Root& root, int fd, FileHandle* handle) const {
  const timespec asked = realtime();
  struct statx status = {};
  // Without AT_STATX_DONT_SYNC: what a network filesystem remembers of a file may be as old as can
  // be.
  if (::statx(fd, "", AT_EMPTY_PATH, kSightingMask, &status) != 0) return to_errno(errno);
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
  auto known = has_birth_time ? root.known->find(key) : std::nullopt;
  if (!known) {
    FileHandle own = lasting_handle(root, fd);
    const FileId id = identify(own, key);
    known.emplace(KnownFiles::Known{id, std::move(own)});
    if (has_birth_time) root.known->keep(key, *known, asked);
  }
  found.id = known->id;
  if (handle != nullptr) *handle = std::move(known->handle);
  return found;
}

FileHandle Store::lasting_handle(const Root& root, int fd) {
  return root.has_lasting_handles ? handle_of(fd, root.generation) : FileHandle();
}

FileId Store::identify(const FileHandle& handle, const KnownFiles::Key& otherwise) const {
  crypto_generichash_state state;
  std::array<unsigned char, sizeof(FileId)> digest{};
  crypto_generichash_init(&state, key_.data(), key_.size(), digest.size());
  const auto add = [&](const void* bytes, std::size_t size) {
    crypto_generichash_update(&state, static_cast<const unsigned char*>(bytes), size);
  };
  if (handle.empty()) {
    const std::int64_t born = to_nanoseconds(otherwise.born);
    add(&otherwise.inode, sizeof otherwise.inode);
    add(&born, sizeof born);
  } else {
    add(handle.data(), handle.size());
  }
  crypto_generichash_final(&state, digest.data(), digest.size());
  FileId id;
  std::memcpy(&id, digest.data(), sizeof id);
  return id;
}

Result<UniqueFd, Errno> Store::reopen(int path_fd, int flags) const {
  // Through /proc/self/fd the very inode behind `path_fd` is opened, whatever became of its name.
  const std::string name = std::to_string(path_fd);
  const int common = flags | O_RDONLY | O_CLOEXEC | O_NOCTTY;
  UniqueFd fd(::openat(own_descriptors_.get(), name.c_str(), common | O_NOATIME));
  if (!fd && errno == EPERM) {  // neither the owner nor CAP_FOWNER
    fd = UniqueFd(::openat(own_descriptors_.get(), name.c_str(), common));
  }
  if (!fd) return to_errno(errno);
  return fd;
}

Result<Store::RootPointer, Errno> Store::root_for(Waiting waiting) const {
  RootPointer at = root();
  if (at == nullptr) return Errno{EACCES};
  if (waiting == Waiting::kRefused && !at->tells_what_is_cached) return Errno{EWOULDBLOCK};
  return at;
}

Result<Located, Errno> Store::locate(const StorePath& path, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  const std::uint64_t patience = waiting == Waiting::kRefused ? RESOLVE_CACHED : 0;
  auto fd = resolve((*at)->fd.get(), path.text().c_str(), kBeneath | patience);
  if (!fd) return fd.error();
  FileHandle handle;
  auto found = examine(**at, fd->get(), &handle);
  if (!found) return found.error();
  return Located{std::move(*fd), *found, std::move(handle)};
}

namespace {

std::optional<Sighting> sight_at(int folder, const char* name, int flags) {
  struct statx status = {};
  if (::statx(folder, name, flags, kSightingMask, &status) != 0) return {};
  const bool is_mounted_on = (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  if (!S_ISREG(status.stx_mode) || is_mounted_on || (status.stx_mask & STATX_BTIME) == 0) return {};
  return Sighting{
      status.stx_dev_major,          status.stx_dev_minor, status.stx_ino,
      to_timespec(status.stx_btime), status.stx_size,      to_timespec(status.stx_mtime),
      to_timespec(status.stx_ctime)};
}

}  // namespace

std::optional<Sighting> Store::sight(const Located& located) const {
  const Found& found = located.found;
  if (!found.settled) return std::nullopt;
  const timespec now = realtime();
  auto sighting = sight_at(located.fd.get(), "", AT_EMPTY_PATH);
  if (!sighting || !KnownFiles::is_told_apart(sighting->born, now)) return std::nullopt;
  const bool same = sighting->size == found.size &&
                    to_nanoseconds(sighting->modified) == to_nanoseconds(found.modified) &&
                    to_nanoseconds(sighting->changed) == found.changed;
  return same ? sighting : std::nullopt;
}

std::optional<Sighting> Store::sight(const UniqueFd& folder, const char* name) {
  return sight_at(folder.get(), name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
}

Result<Found, Errno> Store::find(const StorePath& path, Waiting waiting) const {
  auto located = locate(path, waiting);
  if (!located) return located.error();
  return located->found;
}

Result<Found, Errno> Store::examine(const OpenedFile& file, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  return examine(**at, file.fd.get());
}

Result<OpenedFile, Errno> Store::open_file(const Located& located, Waiting waiting) const {
  if (located.found.type != Found::Type::kFile) return Errno{ENOENT};
  if (const auto at = root_for(waiting); !at) return at.error();
  auto fd = reopen(located.fd.get(), flags_for(waiting));
  if (!fd) return fd.error();
  return OpenedFile{std::move(*fd), located.found};
}

Result<UniqueFd, Errno> Store::open_handle(const Root& root, const UniqueFd& mount,
                                           const FileHandle& handle, int flags) {
  if (handle.size() <= kHandleHeader) return Errno{ESTALE};
  HandleHeader header{};
  std::memcpy(&header, handle.data(), sizeof header);
  // On another file system it could be the handle of another file.
  const HandleHeader current = header_of(header.type, root.generation);
  if (std::memcmp(&header, &current, sizeof header) != 0) return Errno{ESTALE};
  HandleBuffer buffer;
  const std::size_t size = handle.size() - kHandleHeader;
  buffer.get()->handle_bytes = static_cast<unsigned>(size);
  buffer.get()->handle_type = header.type;
  std::memcpy(buffer.get()->f_handle, handle.data() + kHandleHeader, size);
  const int common = flags | O_RDONLY | O_CLOEXEC | O_NOCTTY;
  UniqueFd fd(::open_by_handle_at(mount.get(), buffer.get(), common));
  if (!fd) return Errno{errno};
  return fd;
}

Result<UniqueFd, Errno> Store::open_without_atime(const Root& root, const FileHandle& handle,
                                                  int flags) {
  auto fd = open_handle(root, root.fd, handle, flags | O_NOATIME);
  if (!fd && fd.error().value == EPERM) fd = open_handle(root, root.fd, handle, flags);
  return fd;
}

Result<OpenedFile, Errno> Store::open_file(const FileHandle& handle, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  auto fd = open_without_atime(**at, handle, flags_for(waiting));
  if (!fd) return fd.error();
  auto found = examine(**at, fd->get());
  if (!found) return found.error();
  return OpenedFile{std::move(*fd), *found};
}

Result<UniqueFd, Errno> Store::open_for_passthrough(const FileHandle& handle,
                                                    Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  if (!(*at)->unchanging) return Errno{EPERM};
  return open_handle(**at, (*at)->unchanging, handle, flags_for(waiting));
}

Result<Found, Errno> Store::examine(const FileHandle& handle, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  auto fd = open_handle(**at, (*at)->fd, handle, O_PATH);
  if (!fd) return fd.error();
  return examine(**at, fd->get());
}

Result<Store::Folder, Errno> Store::open_folder(const StorePath& path,
                                                const Located& located) const {
  RootPointer at = root();
  if (at == nullptr) return Errno{EACCES};
  const auto open = [&]() -> Result<UniqueFd, Errno> {
    if (opens_by_handle()) return open_without_atime(*at, located.handle, O_DIRECTORY);
    auto again = locate(path);
    if (!again) return again.error();
    if (again->found.id != located.found.id) return Errno{ENOENT};
    return reopen(again->fd.get(), O_DIRECTORY);
  };
  auto fd = open();
  if (!fd) return to_errno(fd.error().value);
  DIR* stream = ::fdopendir(fd->get());
  if (stream == nullptr) return to_errno(errno);
  (void)fd->release();  // the stream owns it now
  return Folder(*this, std::move(at), stream);
}

void Store::Folder::seek(off_t position) {
  if (position == 0) {
    ::rewinddir(stream_.get());
  } else {
    ::seekdir(stream_.get(), position);
  }
}

Result<Store::Folder::Entry, Errno> Store::Folder::next() {
  while (true) {
    errno = 0;
    const dirent* entry = ::readdir(stream_.get());
    if (entry == nullptr) return Errno{errno};
    if (entry->d_type != DT_REG && entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN) continue;
    const std::string_view name = entry->d_name;
    // The type alone would show mount points; and a name may have gone since.
    if (name == "..") return Entry{name, Found::Type::kFolder, FileId{}, entry->d_off};
    auto found = find(name);
    if (found) return Entry{name, found->type, found->id, entry->d_off};
    if (found.error().value != ENOENT) return found.error();
  }
}

Result<Found, Errno> Store::Folder::find(std::string_view name) const {
  if (store_->root() != root_) return Errno{EACCES};  // the store is away, or another directory
  auto fd = resolve(::dirfd(stream_.get()), std::string(name).c_str(), kBeneath);
  if (!fd) return fd.error();
  return store_->examine(*root_, fd->get());
}

}  // namespace grantfs
