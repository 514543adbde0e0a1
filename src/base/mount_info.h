#pragma once

#include <cstdint>
#include <filesystem>
#include <istream>
#include <optional>
#include <string>
#include <vector>

namespace grantfs {

/// A mount of this mount namespace, as a line of /proc/self/mountinfo has it
/// (proc_pid_mountinfo(5)).
struct MountInfo {
  std::uint64_t id = 0;         ///< STATX_MNT_ID; soon another's once the mount has gone
  std::string device;           ///< "MAJOR:MINOR"
  std::filesystem::path root;   ///< which folder of the file system it shows
  std::filesystem::path point;  ///< where
  std::string type;             ///< of file system, with its subtype: "fuse.grantfs"
};

/// All mounts as of one moment, in the order of the list: of two at one place the later one shows.
/// Empty where it cannot be read.
std::vector<MountInfo> read_mount_info();

/// The lasting number of the mount at `path` below the folder `folder`, or of `folder` itself if
/// `path` is empty; asks no daemon. Linux gives it to no other mount (STATX_MNT_ID_UNIQUE); before
/// 6.8 it is STATX_MNT_ID, which may be another's once the mount has gone. Empty, with errno, where
/// it cannot be told (before Linux 5.8).
std::optional<std::uint64_t> lasting_mount_id(int folder, const char* path);

/// The mounts of a text of that form. A line that is none of the form is left out.
std::vector<MountInfo> parse_mount_info(std::istream& lines);

}  // namespace grantfs
