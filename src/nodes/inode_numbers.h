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
  static constexpr std::uint64_t kRoot = 1;
  static constexpr std::uint64_t kMe = 2;
  static constexpr std::uint64_t kByUid = 3;
  static constexpr std::uint64_t kBySession = 4;
  static constexpr std::uint64_t kByUser = 5;
  static constexpr std::uint64_t kByLink = 6;
  static constexpr std::uint64_t kFrom = 7;
  static constexpr std::uint64_t kExpired = 8;
  static constexpr std::uint64_t kMarker = 9;
  static constexpr std::uint64_t kBySignature = 10;
  static constexpr std::uint64_t kByMd5 = 11;
  static constexpr std::uint64_t kMd5Expiry = 12;
  static constexpr std::uint64_t kExpiredMd5 = 13;
  static constexpr std::uint64_t kExpiredMd5Expiry = 14;
  static constexpr std::uint64_t kByProcess = 15;
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
