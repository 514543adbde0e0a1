#pragma once

#include <dirent.h>
#include <sys/types.h>

#include <memory>
#include <string_view>
#include <utility>

#include "base/errno.h"
#include "grantfs/result.h"
#include "store/found.h"
#include "store/store_root.h"

namespace grantfs {

class Store;

/// A folder of the store, open for listing. One thread at a time. Must not outlive its Store.
class FolderStream {
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
  FolderStream(const Store& store, std::shared_ptr<const StoreRoot> root, DIR* stream)
      : store_(&store), root_(std::move(root)), stream_(stream) {}

  const Store* store_;
  std::shared_ptr<const StoreRoot> root_;  ///< that it was opened in
  std::unique_ptr<DIR, Close> stream_;
};

}  // namespace grantfs
