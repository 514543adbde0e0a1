#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/errno.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "store/store.h"
#include "tree/inode_numbers.h"
#include "tree/view.h"

namespace grantfs {

/// One line of a listing.
struct FolderEntry {
  std::string_view name;
  std::uint64_t inode;
  mode_t type;  ///< S_IFREG, S_IFDIR or S_IFLNK
  off_t next;   ///< offset to go on from, after this entry
};

/// Takes an entry; false if there is no room for it, and it must be offered again.
using FolderSink = std::function<bool(const FolderEntry&)>;

/// A listing under way, as one open file description has it. What is in it was decided when it was
/// opened: like any handle it stays usable. Thread-safe.
class OpenFolder {
 public:
  virtual ~OpenFolder() = default;

  /// Hands out entries from `offset` (0, or a FolderEntry::next) until the sink is full or the
  /// folder ends.
  Result<void, Errno> read(off_t offset, const FolderSink& sink) {
    const std::lock_guard guard(mutex_);
    return read_locked(offset, sink);
  }

 private:
  virtual Result<void, Errno> read_locked(off_t offset, const FolderSink& sink) = 0;

  std::mutex mutex_;
};

/// Entries given beforehand: the mount's own folders.
class FixedFolder final : public OpenFolder {
 public:
  struct Item {
    std::string_view name;
    std::uint64_t inode;
    mode_t type;
  };
  explicit FixedFolder(std::vector<Item> items) : items_(std::move(items)) {}

 private:
  Result<void, Errno> read_locked(off_t offset, const FolderSink& sink) override;

  std::vector<Item> items_;
};

/// What the store has in a folder.
struct FolderOfView {
  Store::Folder folder;
  ViewPointer view;
  StorePath path;
  InodeNumbers numbers;
};

/// A folder that is readable as a whole: whatever the store has there, read as it is asked for.
class WholeFolder final : public OpenFolder {
 public:
  explicit WholeFolder(FolderOfView of) : of_(std::move(of)) {}

 private:
  Result<void, Errno> read_locked(off_t offset, const FolderSink& sink) override;

  FolderOfView of_;
  off_t position_ = 0;
};

/// A folder of which the policy shows some names: those of them that the store has.
class PartialFolder final : public OpenFolder {
 public:
  PartialFolder(FolderOfView of, std::vector<ListedName> names)
      : of_(std::move(of)), names_(std::move(names)) {}

 private:
  Result<void, Errno> read_locked(off_t offset, const FolderSink& sink) override;

  FolderOfView of_;
  std::vector<ListedName> names_;
};

}  // namespace grantfs
