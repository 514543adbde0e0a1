#pragma once

#include <array>
#include <cstdint>

namespace grantfs {

/// Which file something is, whatever its names: a keyed hash of the file handle that the
/// filesystem gives (name_to_handle_at(2)), which differs even where an inode number is used
/// again; of inode number and birth time where it gives none. Says nothing about the store to
/// who does not have the key, and stays the same as long as the key does.
struct FileId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend bool operator==(const FileId&, const FileId&) = default;
};

/// The key of FileId.
using FileIdKey = std::array<unsigned char, 16>;

}  // namespace grantfs
