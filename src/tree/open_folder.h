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
#include "nodes/caller.h"
#include "nodes/inode_numbers.h"
#include "nodes/view.h"
#include "store/store.h"

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

/// A listing under way, of one open file description. Every read() is decided anew, so that the
/// listing, unlike an open file, tells nothing more once access is lost. Thread-safe.
class OpenFolder {
 public:
  OpenFolder() = default;
  virtual ~OpenFolder() = default;
  OpenFolder(const OpenFolder&) = delete;
  OpenFolder& operator=(const OpenFolder&) = delete;

  /// Hands out entries from `offset` (0, or a FolderEntry::next) until the sink is full or the
  /// folder ends. A read from the beginning has what is there now. A later read has those names of
  /// the beginning that may still be seen. It is refused as Tree::open_folder() would be now, and
  /// is ENOENT also if the path leads to another folder than at the beginning.
  Result<void, Errno> read(const Caller& caller, off_t offset, const FolderSink& sink) {
    const std::lock_guard guard(mutex_);
    return read_locked(caller, offset, sink);
  }
  /// Whether read() looks into the store, and so may have to wait.
  virtual bool may_wait() const = 0;

 private:
  virtual Result<void, Errno> read_locked(const Caller& caller, off_t offset,
                                          const FolderSink& sink) = 0;

  std::mutex mutex_;
};

/// Entries given beforehand: the mount's own folders, and those of views of URIs.
class FixedFolder final : public OpenFolder {
 public:
  struct Item {
    std::string_view name;
    std::uint64_t inode;
    mode_t type;
  };
  using Decide = std::function<Result<void, Errno>(const Caller&)>;
  /// `decide`: whether the caller may list it now; none: everybody may.
  explicit FixedFolder(std::vector<Item> items, Decide decide = {})
      : items_(std::move(items)), decide_(std::move(decide)) {}
  bool may_wait() const override { return false; }

 private:
  Result<void, Errno> read_locked(const Caller& caller, off_t offset,
                                  const FolderSink& sink) override;

  std::vector<Item> items_;
  Decide decide_;
};

/// The descriptors of those listings under way that were used last. A listing that has lost its
/// descriptor opens the folder again, so that no client can use up the descriptors that all need.
/// Thread-safe.
class FolderStreams {
 public:
  /// The listing's stream, for that listing alone until put(); none if the folder has to be opened.
  std::optional<Store::Folder> take(const void* listing);
  /// Keeps a stream. The one used longest ago makes room.
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

/// A folder of the store, as a view shows it now.
struct FolderSight {
  Located located;
  Access access;  ///< kRead: as a whole
};

/// The decisions on what a view shows of one folder: the policy's newest commit at each call.
/// Refusals as of Tree::open_folder(). Thread-safe.
class FolderDecisions {
 public:
  FolderDecisions() = default;
  virtual ~FolderDecisions() = default;
  FolderDecisions(const FolderDecisions&) = delete;
  FolderDecisions& operator=(const FolderDecisions&) = delete;

  /// One decision, and one resolution in the store.
  virtual Result<FolderSight, Errno> look(const Caller& caller) = 0;
  /// The names of a folder that is seen in part; kRead if it is seen as a whole by now.
  virtual Result<Listing, Errno> list() = 0;
  /// One decision on a name.
  virtual Result<Access, Errno> access_to(std::string_view name) = 0;
};

/// What the store has in a folder.
struct FolderOfView {
  const Store& store;
  std::shared_ptr<FolderStreams> streams;
  ViewPointer view;
  StorePath path;
  InodeNumbers numbers;
  std::unique_ptr<FolderDecisions> decisions;
};

/// A folder of the store. Each read() costs one decision. While a folder is seen in part it costs a
/// list of its names besides at the beginning, and a decision on each name when going on.
class StoreFolder final : public OpenFolder {
 public:
  explicit StoreFolder(FolderOfView of) : of_(std::move(of)) {}
  ~StoreFolder() override { of_.streams->take(this); }
  bool may_wait() const override { return true; }

 private:
  Result<void, Errno> read_locked(const Caller& caller, off_t offset,
                                  const FolderSink& sink) override;
  /// Starts anew with the names that are there now.
  Result<void, Errno> begin(FolderSight now);
  /// Lists everything that the store has in the folder and that may be seen.
  Result<void, Errno> read_whole(Store::Folder& stream, off_t offset, const FolderSink& sink);
  /// Lists those of the policy's names that the store has.
  Result<void, Errno> read_names(Store::Folder& stream, off_t offset, const FolderSink& sink);
  /// The access to a name now, if it was `listed` at the beginning.
  Result<Access, Errno> access_to(std::string_view name, Access listed);

  FolderOfView of_;
  std::optional<Located> located_;  ///< the folder as of the beginning, without its descriptor
  std::optional<std::vector<ListedName>> names_;  ///< none: seen as a whole
  bool decides_each_ = false;                     ///< less may be seen by now than at the beginning
};

}  // namespace grantfs
