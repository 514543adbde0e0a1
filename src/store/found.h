#pragma once

#include <cstdint>
#include <ctime>

#include "base/unique_fd.h"
#include "store/file_handle.h"
#include "store/file_id.h"

namespace grantfs {

/// A file or folder that was found at a path. Nothing else is ever found.
struct Found {
  enum class Type : std::uint8_t { kFile, kFolder };
  Type type;
  /// Whether every later change will show in `changed`. False while the last change is so young
  /// that another could bear the same time, or that its bytes might not all be written yet, since
  /// write(2) sets the time first.
  bool settled = false;
  FileId id;
  std::uint64_t size;  ///< bytes
  timespec modified;
  /// The file's change time, which unlike the others cannot be set; nanoseconds since 1970.
  std::int64_t changed = 0;
  /// Whether both are shown alike: so whatever changed, `changed` and `settled` do not matter.
  friend bool operator==(const Found& a, const Found& b) {
    return a.type == b.type && a.id == b.id && a.size == b.size &&
           a.modified.tv_sec == b.modified.tv_sec && a.modified.tv_nsec == b.modified.tv_nsec;
  }
};

/// A file or folder at a path, held by a descriptor that can be neither read nor written (O_PATH).
struct Located {
  UniqueFd fd;
  Found found{};
  FileHandle handle;
};

/// A regular file open for reading.
struct OpenedFile {
  UniqueFd fd;
  Found found;
};

}  // namespace grantfs
