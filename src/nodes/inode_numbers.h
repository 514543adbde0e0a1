#pragma once

#include <cstdint>
#include <string>

#include "grantfs/store_path.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

/// The inode numbers (st_ino) of everything in the mount. They are the same after a restart, and
/// tell nothing of the store's own numbers. A file has one number in all views. A folder has
/// another number in each view, so that no program that walks the tree takes a folder for one that
/// it is inside of.
class InodeNumbers {
 public:
  /// The numbers up to this one are for the mount's own folders: each door has a fixed one.
  static constexpr std::uint64_t kLastFixed = 63;

  explicit InodeNumbers(const FileIdKey& key) : key_(key) {}

  std::uint64_t of_file(const FileId& id) const;
  std::uint64_t of_folder(const View& view, const StorePath& path) const;
  /// Of an address's folder, or of what is fixed in it (`fixed`: its number outside).
  std::uint64_t below_address(const Address& address, std::uint64_t fixed) const;

 private:
  std::uint64_t hash(const std::string& text) const;

  FileIdKey key_;
};

}  // namespace grantfs
