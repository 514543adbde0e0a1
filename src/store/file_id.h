#pragma once

#include <array>
#include <cstdint>

namespace grantfs {

/// The identity of a file, whatever its names. It is a keyed hash of the file handle that the
/// filesystem gives (name_to_handle_at(2)), which differs even where an inode number is used again.
/// Where the filesystem gives no handle, it is a hash of inode number and birth time. Without the
/// key it says nothing about the store, and with the same key it stays the same.
struct FileId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

/// The key of FileId.
using FileIdKey = std::array<unsigned char, 16>;

}  // namespace grantfs
