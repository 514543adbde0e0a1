#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "base/mount_info.h"

namespace grantfs {

/// The file system type of our mounts, as the list has it.
inline constexpr std::string_view kMountType = "fuse.grantfs";

/// The mounts of this mount namespace at one moment, by /proc/self/mountinfo (proc(5)).
class MountTable {
 public:
  /// Empty where it cannot be read.
  static MountTable read();

  /// The mount that shows at this very path: the last that was mounted there. Null if none was.
  const MountInfo* mounted_on(const std::filesystem::path& path) const;
  /// The mount that a path, absolute and without symbolic links, is on. Null if it cannot be told
  /// (Linux older than 5.8). Asks no daemon.
  const MountInfo* containing(const std::filesystem::path& path) const;
  /// Whether the path is on, or leads through, a mount of that type.
  bool leads_through(const std::filesystem::path& path, std::string_view type) const;
  /// Whether one path is the other or lies in it, also by bind mounts of the same file system.
  bool lies_inside(const std::filesystem::path& inner, const std::filesystem::path& outer) const;

 private:
  std::vector<MountInfo> mounts_;
};

}  // namespace grantfs
