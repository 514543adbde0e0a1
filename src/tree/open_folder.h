#pragma once

#include <sys/types.h>

#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/errno.h"
#include "base/sync.h"
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
  OpenFolder() = default;
  virtual ~OpenFolder() = default;
  OpenFolder(const OpenFolder&) = delete;
  OpenFolder& operator=(const OpenFolder&) = delete;

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

/// The descriptors of listings under way: those used last. A listing that lost its descriptor
/// opens the folder again, so that no client can use up what all need. Thread-safe.
class FolderStreams {
 public:
  /// The listing's stream, for it alone until put(); none if it has to be opened.
  std::optional<Store::Folder> take(const void* listing);
  /// Keeps it; the one used longest ago makes room.
  void put(const void* listing, Store::Folder stream);
  void clear() { streams_.lock()->clear(); }

 private:
  static constexpr std::size_t kMostKept = 64;

  struct Kept {
    const void* listing;
    Store::Folder stream;
  };
  Sync<std::list<Kept>> streams_;  ///< oldest first
};

/// What the store has in a folder.
struct FolderOfView {
  const Store& store;
  std::shared_ptr<FolderStreams> streams;
  Located located;
  ViewPointer view;
  StorePath path;
  InodeNumbers numbers;
};

/// A folder of the store.
class StoreFolder : public OpenFolder {
 public:
  explicit StoreFolder(FolderOfView of) : of_(std::move(of)) { of_.located.fd.reset(); }
  ~StoreFolder() override { of_.streams->take(this); }

 protected:
  const FolderOfView& of() const { return of_; }

 private:
  Result<void, Errno> read_locked(off_t offset, const FolderSink& sink) final;
  virtual Result<void, Errno> read_stream(Store::Folder& stream, off_t offset,
                                          const FolderSink& sink) = 0;

  FolderOfView of_;
};

/// A folder that is readable as a whole: whatever the store has there, read as it is asked for.
class WholeFolder final : public StoreFolder {
 public:
  using StoreFolder::StoreFolder;

 private:
  Result<void, Errno> read_stream(Store::Folder& stream, off_t offset,
                                  const FolderSink& sink) override;
};

/// A folder of which the policy shows some names: those of them that the store has.
class PartialFolder final : public StoreFolder {
 public:
  PartialFolder(FolderOfView of, std::vector<ListedName> names)
      : StoreFolder(std::move(of)), names_(std::move(names)) {}

 private:
  Result<void, Errno> read_stream(Store::Folder& stream, off_t offset,
                                  const FolderSink& sink) override;

  std::vector<ListedName> names_;
};

}  // namespace grantfs
