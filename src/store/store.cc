#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/quote.h"
#include "store/beneath.h"
#include "store/deleted_names.h"

namespace grantfs {
namespace {

int flags_for(Waiting waiting) {
  return waiting == Waiting::kAllowed ? 0 : O_NONBLOCK;
}

}  // namespace

Store::Store(RootPointer root, UniqueFd own_descriptors, const FileIdKey& key)
    : why_not_by_handle_(root->why_not_by_handle()),
      own_descriptors_(std::move(own_descriptors)),
      key_(key) {
  *root_->lock() = std::move(root);
}

Result<Store> Store::open(const std::filesystem::path& directory, const FileIdKey& key) {
  const auto refuse = [&](std::string_view what) {
    return Error{ErrorKind::kSystem,
                 fmt::format("{} {}: {}", what, quoted(directory.native()), std::strerror(errno))};
  };
  // The root is open for reading, since open_by_handle_at(2) does not accept O_PATH.
  UniqueFd root(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) return refuse("cannot read the store");
  // This folder belongs to the process that opens it: a store must be opened after the last fork.
  UniqueFd own_descriptors(::open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!own_descriptors) return refuse("without /proc/self/fd, cannot open files of the store");
  return Store(std::make_shared<StoreRoot>(std::move(root), std::uint16_t{0}, key),
               std::move(own_descriptors), key);
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
    const RootPointer old = std::exchange(*root_->lock(), nullptr);  // closed after the lock
    return Error{ErrorKind::kSystem, fmt::format("the store {} {}", quoted(path.native()), why)};
  };
  if (!found) return away(fmt::format("is away: {}", std::strerror(found.error().value)));
  struct stat there = {};
  if (::fstat(found->get(), &there) != 0) return away("is away: it cannot be looked at");
  const RootPointer before = root();
  struct stat held = {};
  const bool comparable = before != nullptr && ::fstat(before->folder().get(), &held) == 0;
  const bool same_system = comparable && held.st_dev == there.st_dev;
  if (same_system && held.st_ino == there.st_ino) return Whereabouts::kSame;
  if (!same_system && ++newest_generation_ == 0) {
    --newest_generation_;
    return away("was on too many file systems since the daemon was started: start it anew");
  }
  auto now = std::make_shared<const StoreRoot>(std::move(*found), newest_generation_, key_);
  if (opens_by_handle() && !now->why_not_by_handle().empty()) {
    return away(
        fmt::format("is another directory by now, and the daemon has to be started anew for "
                    "it: {}",
                    now->why_not_by_handle()));
  }
  const RootPointer old = std::exchange(*root_->lock(), std::move(now));
  return Whereabouts::kChanged;
}

Result<UniqueFd, Errno> Store::reopen(int path_fd, int flags) const {
  // Through /proc/self/fd the inode behind `path_fd` itself is opened, even if its name was renamed
  // or removed.
  const std::string name = std::to_string(path_fd);
  const int common = flags | O_RDONLY | O_CLOEXEC | O_NOCTTY;
  UniqueFd fd(::openat(own_descriptors_.get(), name.c_str(), common | O_NOATIME));
  if (!fd && errno == EPERM) {  // neither the file's owner nor CAP_FOWNER
    fd = UniqueFd(::openat(own_descriptors_.get(), name.c_str(), common));
  }
  if (!fd) return absent_or(errno);
  return fd;
}

Result<Store::RootPointer, Errno> Store::root_for(Waiting waiting) const {
  RootPointer at = root();
  if (at == nullptr) return Errno{EACCES};
  if (waiting == Waiting::kRefused && !at->tells_what_is_cached()) return Errno{EWOULDBLOCK};
  return at;
}

Result<Located, Errno> Store::locate(const StorePath& path, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  if (is_name_of_deleted(path.name())) return Errno{ENOENT};
  auto fd = (*at)->resolve(path, waiting);
  if (!fd) return fd.error();
  FileHandle handle;
  auto found = (*at)->examine(fd->get(), &handle);
  if (!found) return found.error();
  return Located{std::move(*fd), *found, std::move(handle)};
}

std::string Store::why_asked_anew() const {
  const RootPointer at = root();
  if (at == nullptr || at->file_system().is_own) return {};
  return fmt::format("the store is on {}, which others may change", at->file_system().name);
}

std::optional<Sighting> Store::sight(const Located& located) const {
  const RootPointer at = root();
  if (at == nullptr) return std::nullopt;
  return Sighting::of(located, at->known());
}

std::optional<Sighting> Store::sight(const UniqueFd& folder, const char* name) {
  return Sighting::at(folder, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT);
}

Result<Found, Errno> Store::find(const StorePath& path, Waiting waiting) const {
  auto located = locate(path, waiting);
  if (!located) return located.error();
  return located->found;
}

Result<Found, Errno> Store::examine(const OpenedFile& file, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  return (*at)->examine(file.fd.get());
}

Result<OpenedFile, Errno> Store::open_file(const Located& located, Waiting waiting) const {
  if (located.found.type != Found::Type::kFile) return Errno{ENOENT};
  if (const auto at = root_for(waiting); !at) return at.error();
  auto fd = reopen(located.fd.get(), flags_for(waiting));
  if (!fd) return fd.error();
  return OpenedFile{std::move(*fd), located.found};
}

Result<OpenedFile, Errno> Store::open_file(const FileHandle& handle, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  auto fd = (*at)->open_without_atime(handle, flags_for(waiting));
  if (!fd) return fd.error();
  auto found = (*at)->examine(fd->get());
  if (!found) return found.error();
  return OpenedFile{std::move(*fd), *found};
}

Result<UniqueFd, Errno> Store::open_for_passthrough(const FileHandle& handle,
                                                    Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  return (*at)->open_unchanging(handle, flags_for(waiting));
}

Result<Found, Errno> Store::examine(const FileHandle& handle, Waiting waiting) const {
  const auto at = root_for(waiting);
  if (!at) return at.error();
  auto fd = (*at)->open(handle, O_PATH);
  if (!fd) return fd.error();
  return (*at)->examine(fd->get());
}

Result<Store::Folder, Errno> Store::open_folder(const StorePath& path,
                                                const Located& located) const {
  RootPointer at = root();
  if (at == nullptr) return Errno{EACCES};
  const auto open = [&]() -> Result<UniqueFd, Errno> {
    if (opens_by_handle()) return at->open_without_atime(located.handle, O_DIRECTORY);
    auto again = locate(path);
    if (!again) return again.error();
    if (again->found.id != located.found.id) return Errno{ENOENT};
    return reopen(again->fd.get(), O_DIRECTORY);
  };
  auto fd = open();
  if (!fd) return absent_or(fd.error().value);
  DIR* stream = ::fdopendir(fd->get());
  if (stream == nullptr) return absent_or(errno);
  (void)fd->release();  // the stream owns the descriptor now
  return Folder(*this, std::move(at), stream);
}

}  // namespace grantfs
