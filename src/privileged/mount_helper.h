#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <utility>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// A process of the daemon's that keeps the right to mount (CAP_SYS_ADMIN) when the daemon gives it
/// up. It does two things, and at one path alone: it attaches a mount that the daemon made, and
/// takes away the daemon's own. It knows no file of the store, no policy and no token, and reads
/// two numbers from the daemon. It ends with the daemon.
///
/// Landlock is the other reason for it: a process that gave up writing may not mount or unmount
/// anything (landlock(7)).
///
/// One thread at a time.
class MountHelper {
 public:
  /// What is there already at the mount point.
  enum class Place : std::uint8_t {
    kFree,
    kDead,  ///< the mount of a daemon that is gone: it is taken away
  };

  /// The process's name, as ps -L shows it.
  static constexpr const char* kName = "grantfs mounts";

  /// Starts the process. Takes CAP_SYS_ADMIN, and a caller with a single thread: it forks.
  /// `mountpoint` is absolute.
  static Result<MountHelper> start(const std::filesystem::path& mountpoint);
  /// Has the process end, and waits for it.
  ~MountHelper();
  MountHelper(MountHelper&& other) noexcept
      : mountpoint_(std::move(other.mountpoint_)),
        socket_(std::move(other.socket_)),
        process_(std::exchange(other.process_, 0)) {}
  MountHelper& operator=(MountHelper&&) = delete;
  MountHelper(const MountHelper&) = delete;
  MountHelper& operator=(const MountHelper&) = delete;

  const std::filesystem::path& mountpoint() const { return mountpoint_; }

  /// Attaches `tree`, of fsmount(2), to the mount point, which must be a directory. A dead mount
  /// goes once this one is beneath it (MOVE_MOUNT_BENEATH in move_mount(2), Linux 6.5), so that the
  /// directory itself never shows; where the kernel has no such thing, right before, and the
  /// directory shows for a millisecond: of mode 000, it refuses. kSystem if the kernel refuses, or
  /// the process has gone.
  Result<void> attach(const UniqueFd& tree, Place place);

  /// Takes away what is at the mount point, though it be in use (MNT_DETACH), if it is the mount
  /// with this number (STATX_MNT_ID). Does nothing if the process has gone: the mount stays, and
  /// refuses everything.
  void detach(std::uint64_t mount_id);

 private:
  MountHelper(std::filesystem::path mountpoint, UniqueFd socket, pid_t process)
      : mountpoint_(std::move(mountpoint)), socket_(std::move(socket)), process_(process) {}

  std::filesystem::path mountpoint_;
  UniqueFd socket_;
  pid_t process_;
};

}  // namespace grantfs
