#pragma once

#include <cstdint>
#include <string>

#include "grantfs/store_path.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

/// The st_ino of everything in the mount: the same after a restart, telling nothing of the
/// store's own. A file's is the same in every view; a folder's differs by view, so that no tree
/// walker takes a view's folder for one it is inside of.
class InodeNumbers {
 public:
  /// The numbers up to this one are for what the mount itself has: a door says its own.
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
