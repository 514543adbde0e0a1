#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/errno.h"
#include "base/sync.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "store/file_id.h"
#include "store/folder_stream.h"
#include "store/found.h"
#include "store/sighting.h"
#include "store/store_root.h"
#include "store/waiting.h"

namespace grantfs {

/// The private directory, and nothing outside it: every path is resolved by openat2(2) beneath
/// the root, through no symbolic link and across no mount point, and only regular files and
/// folders are found, whatever is swapped meanwhile. Nothing here changes the store; where
/// permitted (open(2), O_NOATIME) not even access times move.
///
/// An error is ENOENT where there is nothing to be found, for whatever reason; others (EMFILE, EIO,
/// ENOMEM; EACCES while the store is away, see follow()) mean trouble.
///
/// Any call may wait for as long as a disk or another machine does not answer, unless it is told
/// not to wait. A caller that tells an open or an examination by handle not to wait has to hold a
/// descriptor of the file: then the kernel has the inode in memory, and no disk is waited for.
///
/// Thread-safe.
class Store {
 public:
  using Folder = FolderStream;

  /// kInvalid or kSystem, naming the directory, if it is not a directory that can be read.
  static Result<Store> open(const std::filesystem::path& directory, const FileIdKey& key);

  /// The fate of the path that the store was opened by.
  enum class Whereabouts {
    kSame,    ///< it leads to the directory that is in use
    kChanged  ///< it leads to another one, which is in use from now on
  };
  /// The directory that a store's path leads to now. Symbolic links that have come to be on the way
  /// are not followed: who may write there is not who chose the path. May wait for a disk.
  static Result<UniqueFd, Errno> open_directory(const std::filesystem::path& path);
  /// Has the store be the directory that open_directory() found, if that is another one. An error
  /// if it found none, or none that can be used in its place: then the store is away, every call
  /// fails with EACCES, and nothing of the old directory is held. Whoever sees a change has
  /// everything recalled that was lent. One call at a time.
  Result<Whereabouts> follow(const std::filesystem::path& path, Result<UniqueFd, Errno> found);

  /// A clause for people: why each look asks the file system, and every folder on the way, for what
  /// the kernel may remember wrongly. Empty for a file system that this kernel alone changes.
  std::string why_asked_anew() const;

  /// Three system calls whatever the depth of the path, and a fourth for a file not seen lately.
  /// Where others may change the store it takes two more for each folder on the way. A file that
  /// was deleted and has another name until it is closed (is_name_of_deleted()) is ENOENT.
  Result<Located, Errno> locate(const StorePath& path, Waiting waiting = Waiting::kAllowed) const;
  /// locate(), for a caller that wants to know what is there and not to open it.
  Result<Found, Errno> find(const StorePath& path, Waiting waiting = Waiting::kAllowed) const;
  /// A sighting of the file that was located, to be compared with later ones; see Sighting::of().
  std::optional<Sighting> sight(const Located& located) const;
  /// A name in a folder that was located: one system call. None if there is no file in this store.
  static std::optional<Sighting> sight(const UniqueFd& folder, const char* name);
  /// Opens a regular file, whatever has become of its name since it was located; anything else is
  /// ENOENT, without being opened (an open(2) of a device or a FIFO can block or do things).
  Result<OpenedFile, Errno> open_file(const Located& located, Waiting waiting) const;
  /// Opens a folder for listing, whatever has become of its name where it can be opened by handle;
  /// elsewhere ENOENT if its path leads to another by now. The descriptor in `located` is not
  /// needed.
  Result<Folder, Errno> open_folder(const StorePath& path, const Located& located) const;

  /// Whether a file can be opened by its handle: the filesystem has them, for as long as it has the
  /// file, and we may (CAP_DAC_READ_SEARCH in the initial user namespace).
  bool opens_by_handle() const { return why_not_by_handle_.empty(); }
  /// A clause for people: why not. Empty if it can be.
  const std::string& why_not_by_handle() const { return why_not_by_handle_; }
  /// The regular file that locate() gave this handle for, whatever became of its name; ESTALE if
  /// it has been deleted and nobody holds it.
  Result<OpenedFile, Errno> open_file(const FileHandle& handle, Waiting waiting) const;
  /// What that file is now.
  Result<Found, Errno> examine(const FileHandle& handle, Waiting waiting) const;
  /// The same file, for the kernel to hand on to who has it open (FUSE passthrough): reads of it
  /// do not move access times either, though they do not use the flags it was opened with. EPERM
  /// where that is not to be had; it takes CAP_SYS_ADMIN and Linux 5.12.
  Result<UniqueFd, Errno> open_for_passthrough(const FileHandle& handle, Waiting waiting) const;
  /// The present state of an open file.
  Result<Found, Errno> examine(const OpenedFile& file, Waiting waiting) const;

 private:
  friend class FolderStream;
  using RootPointer = std::shared_ptr<const StoreRoot>;

  Store(RootPointer root, UniqueFd own_descriptors, const FileIdKey& key);
  /// Null while the store is away.
  RootPointer root() const { return *root_->lock(); }
  /// The root for a call about a file that is held: EACCES while the store is away, EWOULDBLOCK if
  /// even that may have to wait.
  Result<RootPointer, Errno> root_for(Waiting waiting) const;

  Result<UniqueFd, Errno> reopen(int path_fd, int flags) const;

  std::unique_ptr<Sync<RootPointer>> root_ = std::make_unique<Sync<RootPointer>>();
  std::string why_not_by_handle_;  ///< of the first root: others must be as good
  std::uint16_t newest_generation_ = 0;
  UniqueFd own_descriptors_;  ///< /proc/self/fd
  FileIdKey key_;
};

}  // namespace grantfs
