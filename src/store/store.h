#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/errno.h"
#include "base/sync.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "store/file_id.h"
#include "store/known_files.h"

namespace grantfs {

/// What there is at a path. Nothing but regular files and folders ever is.
struct Found {
  enum class Type : std::uint8_t { kFile, kFolder };
  Type type;
  /// Whether every change from then on shows in `changed`. Not while the last one is so young that
  /// another could bear the same time; nor that its bytes might be on their way still, since
  /// write(2) sets the time first.
  bool settled = false;
  FileId id;
  std::uint64_t size;  ///< bytes
  timespec modified;
  /// The file's change time, which unlike the others cannot be set; nanoseconds since 1970.
  std::int64_t changed = 0;
  /// Whether both are shown alike: so whatever changed, `changed` and `settled` do not matter.
  friend bool operator==(const Found& a, const Found& b) {
    return a.type == b.type && a.id == b.id && a.size == b.size &&
           a.modified.tv_sec == b.modified.tv_sec && a.modified.tv_nsec == b.modified.tv_nsec;
  }
};

/// What there is at a path, held by a descriptor that can be neither read nor written (O_PATH).
struct Located {
  UniqueFd fd;
  Found found{};
  FileHandle handle;
};

/// What tells at a glance whether a name still leads to the same file, and whether that has
/// changed.
struct Sighting {
  std::uint32_t device_major;
  std::uint32_t device_minor;
  std::uint64_t inode;
  timespec born;
  std::uint64_t size;  ///< bytes
  timespec modified;
  timespec changed;
  friend bool operator==(const Sighting& a, const Sighting& b) {
    const auto same = [](const timespec& x, const timespec& y) {
      return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
    };
    return a.device_major == b.device_major && a.device_minor == b.device_minor &&
           a.inode == b.inode && a.size == b.size && same(a.born, b.born) &&
           same(a.modified, b.modified) && same(a.changed, b.changed);
  }
};

/// Whether a call may wait: for a disk, for another machine, or until whoever has a lease on the
/// file (F_SETLEASE in fcntl(2)) gives it up.
enum class Waiting {
  kAllowed,
  kRefused,  ///< EWOULDBLOCK, unless the kernel has the answer in memory
};

/// Whether a call that was told not to wait would have had to.
template <class Answer>
bool would_wait(const Result<Answer, Errno>& answer) {
  return !answer && answer.error() == Errno{EWOULDBLOCK};
}

/// A regular file open for reading.
struct OpenedFile {
  UniqueFd fd;
  Found found;
};

/// The private directory, and nothing outside it: every path is resolved by openat2(2) beneath
/// the root, through no symbolic link and across no mount point, and only regular files and
/// folders are found, whatever is swapped meanwhile. Nothing here changes the store; where
/// permitted (open(2), O_NOATIME) not even access times move.
///
/// Errors are ENOENT where there is nothing to be found, for whatever reason; others (EMFILE,
/// EIO, ENOMEM; EACCES while the store is away, see follow()) mean trouble.
///
/// Any call may wait for as long as a disk or another machine does not answer, but those that are
/// told not to. Who tells an open or examination by handle not to wait has to hold a descriptor of
/// the file: then the kernel has its inode in memory, and no disk is waited for.
///
/// Thread-safe.
class Store {
 public:
  class Folder;

  /// kInvalid or kSystem, naming the directory, if it is not a directory that can be read.
  static Result<Store> open(const std::filesystem::path& directory, const FileIdKey& key);

  /// What became of the path that the store was opened by.
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

  /// Three system calls whatever the depth of the path, and a fourth for a file not seen lately.
  Result<Located, Errno> locate(const StorePath& path, Waiting waiting = Waiting::kAllowed) const;
  /// locate(), for who wants to know and not to open.
  Result<Found, Errno> find(const StorePath& path, Waiting waiting = Waiting::kAllowed) const;
  /// The file that was located, to be compared with later sightings. None if it changed since, or
  /// if these could be of another without its being noticed: the filesystem has no birth times, or
  /// it was born so lately that another could have been at the same time; or if it could change
  /// without its being noticed (Found::settled).
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
  /// What an open file is now.
  Result<Found, Errno> examine(const OpenedFile& file, Waiting waiting) const;

 private:
  /// A directory that is the store's, or was.
  struct Root {
    UniqueFd fd;
    /// The same folder through a mount of our own, in no namespace, on which nothing can be
    /// changed: access times included. Invalid where there is none.
    UniqueFd unchanging;
    std::string why_not_by_handle;
    bool has_lasting_handles = true;
    /// Whether what the kernel has of it in memory can be told from what it would wait for: the
    /// filesystem is a local one, and openat2(2) knows RESOLVE_CACHED (Linux 5.12).
    bool tells_what_is_cached = false;
    /// Of its file system. Part of the handles: those of one are not believed by another.
    std::uint16_t generation = 0;
    std::unique_ptr<KnownFiles> known = std::make_unique<KnownFiles>();
  };
  using RootPointer = std::shared_ptr<const Root>;

  Store(RootPointer root, UniqueFd own_descriptors, const FileIdKey& key);
  static std::shared_ptr<Root> make_root(UniqueFd fd, std::uint16_t generation);
  /// Null while the store is away.
  RootPointer root() const { return *root_->lock(); }
  /// The root for a call about a file that is held: EACCES while the store is away, EWOULDBLOCK if
  /// even that may have to wait.
  Result<RootPointer, Errno> root_for(Waiting waiting) const;

  static Result<UniqueFd, Errno> resolve(int base, const char* path, std::uint64_t how);
  /// `handle`, if given, is told the file's.
  Result<Found, Errno> examine(const Root& root, int fd, FileHandle* handle = nullptr) const;
  static Result<UniqueFd, Errno> open_handle(const Root& root, const UniqueFd& mount,
                                             const FileHandle& handle, int flags);
  static Result<UniqueFd, Errno> open_without_atime(const Root& root, const FileHandle& handle,
                                                    int flags);
  Result<UniqueFd, Errno> reopen(int path_fd, int flags) const;
  static FileHandle lasting_handle(const Root& root, int fd);
  FileId identify(const FileHandle& handle, const KnownFiles::Key& otherwise) const;

  std::unique_ptr<Sync<RootPointer>> root_ = std::make_unique<Sync<RootPointer>>();
  std::string why_not_by_handle_;  ///< of the first root: others must be as good
  std::uint16_t newest_generation_ = 0;
  UniqueFd own_descriptors_;  ///< /proc/self/fd
  FileIdKey key_;
};

/// A folder of the store, open for listing. One thread at a time. Must not outlive its Store.
class Store::Folder {
 public:
  struct Entry {
    std::string_view name;  ///< good until the next call
    Found::Type type;
    FileId id;
    off_t next;  ///< where to seek() to go on after this entry
  };

  /// 0 is the beginning; else an Entry::next of this folder.
  void seek(off_t position);
  /// The next entry that is a regular file or folder, "." and ".." included; none at the end
  /// (Errno 0).
  Result<Entry, Errno> next();
  /// What a name in this folder is.
  Result<Found, Errno> find(std::string_view name) const;

 private:
  friend class Store;
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  Folder(const Store& store, RootPointer root, DIR* stream)
      : store_(&store), root_(std::move(root)), stream_(stream) {}

  const Store* store_;
  RootPointer root_;  ///< that it was opened in
  std::unique_ptr<DIR, Close> stream_;
};

}  // namespace grantfs
