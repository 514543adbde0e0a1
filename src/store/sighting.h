#pragma once

#include <cstdint>
#include <ctime>
#include <optional>

#include "base/unique_fd.h"
#include "store/found.h"
#include "store/known_files.h"

namespace grantfs {

/// A sighting is a quick look at a file. Two sightings tell whether a name still leads to the same
/// file, and whether the file has changed.
struct Sighting {
  /// Of a name in a folder, or with AT_EMPTY_PATH of the folder itself; `flags` as for statx(2),
  /// one system call. Whoever changes the file system is asked. None if it is no regular file, if
  /// something is mounted on it, or if the filesystem has no birth times.
  static std::optional<Sighting> at(const UniqueFd& folder, const char* name, int flags);
  /// Of a file that was located. None if it changed since, or if later sightings could be of
  /// another file, or of this one changed, without its being noticed: the filesystem has no birth
  /// times, the file was born so lately that another could have been at the same time (`known` of
  /// its StoreRoot tells), or it is not settled (Found::settled).
  static std::optional<Sighting> of(const Located& located, const KnownFiles& known);

  std::uint32_t device_major;
  std::uint32_t device_minor;
  std::uint64_t inode;
  timespec born;
  std::uint64_t size;  ///< bytes
  timespec modified;
  timespec changed;
  friend bool operator==(const Sighting& a, const Sighting& b) {
    const auto same = [](const timespec& x, const timespec& y) {
      return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
    };
    return a.device_major == b.device_major && a.device_minor == b.device_minor &&
           a.inode == b.inode && a.size == b.size && same(a.born, b.born) &&
           same(a.modified, b.modified) && same(a.changed, b.changed);
  }
};

}  // namespace grantfs
