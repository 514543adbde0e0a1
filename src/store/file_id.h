#pragma once

#include <array>
#include <cstdint>
#include <string>

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

/// What the filesystem knows a file by, whatever its names (name_to_handle_at(2)): with it a file
/// can be opened that has none any more. Empty where the filesystem gives none.
using FileHandle = std::string;

}  // namespace grantfs
