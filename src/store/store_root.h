#pragma once

#include <fcntl.h>

#include <cstdint>
#include <string>

#include "base/errno.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "store/file_handle.h"
#include "store/file_id.h"
#include "store/file_system.h"
#include "store/found.h"
#include "store/known_files.h"
#include "store/waiting.h"

namespace grantfs {

/// A directory that is the store's, or was, and what its filesystem can do. Thread-safe.
class StoreRoot {
 public:
  /// `folder`: open for reading, not O_PATH: open_by_handle_at(2) wants it so. `generation`: of its
  /// file system; see open_by_handle().
  StoreRoot(UniqueFd folder, std::uint16_t generation, const FileIdKey& key);

  const UniqueFd& folder() const { return folder_; }
  const FileSystem& file_system() const { return file_system_; }
  /// A clause for people: why its files cannot be opened by handle. Empty if they can be.
  const std::string& why_not_by_handle() const { return why_not_by_handle_; }
  /// Whether what the kernel has of it in memory can be told from what it would wait for: the
  /// filesystem is this kernel's own, and openat2(2) knows RESOLVE_CACHED (Linux 5.12).
  bool tells_what_is_cached() const { return tells_what_is_cached_; }

  /// A descriptor (O_PATH) of what lies at a path. Errors as Store's. One system call; where others
  /// may change the store, each folder on the way is asked for, too, so that no name is resolved as
  /// it was: then two for each component.
  Result<UniqueFd, Errno> resolve(const StorePath& path, Waiting waiting) const;
  /// What the file of a descriptor, which may be O_PATH, is now: one system call, and a second for
  /// a file not seen lately. `handle`, if given, is told the file's.
  Result<Found, Errno> examine(int fd, FileHandle* handle = nullptr) const;
  /// The same for a caller who wants no more than the type and the identity, which do not change:
  /// nobody is asked what the kernel has in memory.
  Result<Found, Errno> identify(int fd) const {
    return examine(fd, nullptr, AT_STATX_SYNC_AS_STAT);
  }
  /// The files seen lately; see Sighting::of().
  const KnownFiles& known() const { return known_; }
  /// Opens by handle; `flags` as for open(2).
  Result<UniqueFd, Errno> open(const FileHandle& handle, int flags) const;
  /// The same without moving access times, where that is permitted.
  Result<UniqueFd, Errno> open_without_atime(const FileHandle& handle, int flags) const;
  /// The same through a mount on which nothing can be changed, access times included, whatever
  /// flags the file is used with. EPERM if there is none.
  Result<UniqueFd, Errno> open_unchanging(const FileHandle& handle, int flags) const;

 private:
  Result<Found, Errno> examine(int fd, FileHandle* handle, int flags) const;
  FileHandle lasting_handle(int fd) const;

  UniqueFd folder_;
  FileSystem file_system_;
  /// The same folder through a mount of our own, in no namespace. Invalid where there is none.
  UniqueFd unchanging_;
  std::string why_not_by_handle_;
  bool has_lasting_handles_;
  bool tells_what_is_cached_ = false;
  std::uint16_t generation_;
  FileIdKey key_;
  mutable KnownFiles known_;
};

}  // namespace grantfs
