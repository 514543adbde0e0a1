#pragma once

#include <cstdint>

#include "grantfs/store_path.h"
#include "store/store.h"
#include "tree/view.h"

namespace grantfs {

/// The st_ino of everything in the mount: the same after a restart, telling nothing of the
/// store's own. A file's is the same in every view; a folder's differs by view, so that no tree
/// walker takes a view's folder for one it is inside of.
class InodeNumbers {
 public:
  static constexpr std::uint64_t kRoot = 1;
  static constexpr std::uint64_t kMe = 2;
  static constexpr std::uint64_t kByUid = 3;
  static constexpr std::uint64_t kBySession = 4;

  explicit InodeNumbers(const FileIdKey& key) : key_(key) {}

  std::uint64_t of_file(const FileId& id) const;
  std::uint64_t of_folder(const View& view, const StorePath& path) const;

 private:
  FileIdKey key_;
};

}  // namespace grantfs
