#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "privileged/mount_helper.h"

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

  /// A mount that is nowhere yet. kSystem if the kernel refuses, or has no FUSE. Takes
  /// CAP_SYS_ADMIN; nothing else here does.
  static Result<KernelMount> make(const Options& options);

  /// Has `helper` put it at its mount point. `helper` outlives this.
  Result<void> attach(MountHelper& helper, MountHelper::Place place);
  /// Has `helper` put it in the place of a living mount: MountHelper::replace().
  Result<void> replace(MountHelper& helper, std::uint64_t mount_id);
  /// Whether one of these was done.
  bool is_attached() const { return helper_ != nullptr; }
  /// Its root while it is nowhere, for asking it (O_PATH). Invalid once it is attached, or without
  /// a descriptor.
  UniqueFd root_while_nowhere() const;

  /// The connection's descriptor of /dev/fuse, once: nobody else closes it.
  UniqueFd take_device() { return std::move(device_); }

  /// lasting_mount_id() of it.
  std::uint64_t lasting_id() const { return lasting_id_; }
  /// Whether it is at its mount point still. Looks at a list only: a look at the mount itself
  /// would have it be in use, and umount(8) refused.
  bool exists() const;
  /// Has the helper take it away, though it be in use (MNT_DETACH), if it is what is at its mount
  /// point.
  void detach();

 private:
  KernelMount(UniqueFd device, UniqueFd tree, std::uint64_t id, std::uint64_t lasting_id)
      : device_(std::move(device)), tree_(std::move(tree)), id_(id), lasting_id_(lasting_id) {}

  UniqueFd device_;
  UniqueFd tree_;                  ///< until attach(): held, it would be in use
  std::uint64_t id_;               ///< STATX_MNT_ID
  std::uint64_t lasting_id_;       ///< lasting_mount_id()
  MountHelper* helper_ = nullptr;  ///< none until it is attached
};

}  // namespace grantfs
