#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// The kernel's side of a mount, made by fsopen(2) and its like rather than by libfuse, which can
/// mount over what is there and not beneath it, and unmounts whatever is at the path by then.
///
/// Not thread-safe.
class KernelMount {
 public:
  struct Options {
    std::string source;  ///< as /proc/self/mounts shows it
    /// More for the kernel, each NAME=VALUE: security labels.
    std::vector<std::string> labels;
  };

  /// What is there already at the mount point.
  enum class Place : std::uint8_t {
    kFree,
    kDead,  ///< the mount of a daemon that is gone: it is taken away
  };

  /// A mount that is nowhere yet. kSystem if the kernel refuses, or has no FUSE.
  static Result<KernelMount> make(const Options& options);

  /// Puts it at `mountpoint`, which must be a directory. A dead mount goes once this one is beneath
  /// it (MOVE_MOUNT_BENEATH in move_mount(2), Linux 6.5), so that the directory itself never shows;
  /// where the kernel has no such thing, right before, and the directory shows for a millisecond:
  /// of mode 000, it refuses. kSystem if the kernel refuses.
  Result<void> attach(const std::filesystem::path& mountpoint, Place place);

  /// The connection's descriptor of /dev/fuse, once: nobody else closes it.
  UniqueFd take_device() { return std::move(device_); }

  /// Whether it is mounted still, wherever by now. Looks at a list only: a look at the mount itself
  /// would have it be in use, and umount(8) refused.
  bool exists() const;
  /// Takes it away, though it be in use (MNT_DETACH), if it is what is at its mount point.
  void detach();

 private:
  KernelMount(UniqueFd device, UniqueFd tree, std::uint64_t id)
      : device_(std::move(device)), tree_(std::move(tree)), id_(id) {}

  UniqueFd device_;
  UniqueFd tree_;     ///< until attach(): held, it would be in use
  std::uint64_t id_;  ///< STATX_MNT_ID
  std::filesystem::path mountpoint_;
};

}  // namespace grantfs
