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

/// A listing under way, as one open file description has it. Unlike an open file it tells nothing
/// more once access is lost: every read() is decided anew. Thread-safe.
class OpenFolder {
 public:
  OpenFolder() = default;
  virtual ~OpenFolder() = default;
  OpenFolder(const OpenFolder&) = delete;
  OpenFolder& operator=(const OpenFolder&) = delete;

  /// Hands out entries from `offset` (0, or a FolderEntry::next) until the sink is full or the
  /// folder ends. From the beginning it is what there is now; going on, of what there was at the
  /// beginning, what may still be seen. Refused as Tree::open_folder() would be now; ENOENT also if
  /// the path leads to another folder than at the beginning.
  Result<void, Errno> read(const Caller& caller, off_t offset, const FolderSink& sink) {
    const std::lock_guard guard(mutex_);
    return read_locked(caller, offset, sink);
  }
  /// Whether read() looks into the store, which may have to be waited for.
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
  /// Starts anew with what there is now.
  Result<void, Errno> begin(FolderSight now);
  /// Whatever the store has there, as far as it may be seen.
  Result<void, Errno> read_whole(Store::Folder& stream, off_t offset, const FolderSink& sink);
  /// Of the names listed, those that the store has.
  Result<void, Errno> read_names(Store::Folder& stream, off_t offset, const FolderSink& sink);
  /// What may be seen of a name now, if it was `listed` at the beginning.
  Result<Access, Errno> access_to(std::string_view name, Access listed);

  FolderOfView of_;
  std::optional<Located> located_;  ///< the folder as of the beginning, without its descriptor
  std::optional<std::vector<ListedName>> names_;  ///< none: seen as a whole
  bool decides_each_ = false;                     ///< less may be seen by now than at the beginning
};

}  // namespace grantfs
