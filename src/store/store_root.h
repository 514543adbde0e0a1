#pragma once

#include <cstdint>
#include <string>

#include "base/errno.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "store/file_handle.h"
#include "store/file_id.h"
#include "store/found.h"
#include "store/known_files.h"

namespace grantfs {

/// A directory that is the store's, or was, and what its filesystem can do. Thread-safe.
class StoreRoot {
 public:
  /// `folder`: open for reading, not O_PATH: open_by_handle_at(2) wants it so. `generation`: of its
  /// file system; see open_by_handle().
  StoreRoot(UniqueFd folder, std::uint16_t generation, const FileIdKey& key);

  const UniqueFd& folder() const { return folder_; }
  /// A clause for people: why its files cannot be opened by handle. Empty if they can be.
  const std::string& why_not_by_handle() const { return why_not_by_handle_; }
  /// Whether what the kernel has of it in memory can be told from what it would wait for: the
  /// filesystem is a local one, and openat2(2) knows RESOLVE_CACHED (Linux 5.12).
  bool tells_what_is_cached() const { return tells_what_is_cached_; }

  /// What the file of a descriptor, which may be O_PATH, is now: one system call, and a second for
  /// a file not seen lately. `handle`, if given, is told the file's.
  Result<Found, Errno> examine(int fd, FileHandle* handle = nullptr) const;
  /// Opens by handle; `flags` as for open(2).
  Result<UniqueFd, Errno> open(const FileHandle& handle, int flags) const;
  /// The same without moving access times, where that is permitted.
  Result<UniqueFd, Errno> open_without_atime(const FileHandle& handle, int flags) const;
  /// The same through a mount on which nothing can be changed, access times included, whatever
  /// flags the file is used with. EPERM if there is none.
  Result<UniqueFd, Errno> open_unchanging(const FileHandle& handle, int flags) const;

 private:
  FileHandle lasting_handle(int fd) const;

  UniqueFd folder_;
  /// The same folder through a mount of our own, in no namespace. Invalid where there is none.
  UniqueFd unchanging_;
  std::string why_not_by_handle_;
  bool has_lasting_handles_ = true;
  bool tells_what_is_cached_ = false;
  std::uint16_t generation_;
  FileIdKey key_;
  mutable KnownFiles known_;
};

}  // namespace grantfs
