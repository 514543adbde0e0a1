#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include "base/errno.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// A process of the daemon's that keeps the right to mount (CAP_SYS_ADMIN) when the daemon gives it
/// up. It does three things, and at one path alone: it attaches a mount that the daemon made, takes
/// away the daemon's own, or the one whose place it takes, and asks the mount whether it answers.
/// It knows no file of the store, no policy and no token, and reads two numbers from the daemon. It
/// ends with the daemon.
///
/// Landlock is the other reason for it: a process that gave up writing may not mount or unmount
/// anything (landlock(7)).
///
/// Any thread; a call waits for the one before.
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
        turn_(std::move(other.turn_)),
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

  /// Puts `tree` in the place of the living mount with this number (lasting_mount_id()): beneath
  /// it, and then takes that one away, though it be in use (MNT_DETACH). Whoever looks a path up
  /// finds one of the two. kConflict if another mount is there by now; kSystem if the kernel
  /// refuses, as one before Linux 6.5 does, or the process has gone: then nothing is changed.
  Result<void> replace(const UniqueFd& tree, std::uint64_t mount_id);

  /// Asks the mount whose root is `root`, or the one at the mount point if that is invalid, as a
  /// client does that wants its size (statfs(2)), and blocks until it has answered or its
  /// connection is over. An error number, or the type of the file system. A daemon must not ask its
  /// own mount by itself: if it is killed while it waits, the thread that waits keeps the
  /// connection open, and the open connection keeps the thread waiting, for ever
  /// (request_wait_answer() in the kernel's fs/fuse/dev.c).
  Result<std::int64_t, Errno> ask(const UniqueFd& root);

  /// Takes away what is at the mount point, though it be in use (MNT_DETACH), if it is the mount
  /// with this number (lasting_mount_id()). Does nothing if the process has gone: the mount stays,
  /// and refuses everything.
  void detach(std::uint64_t mount_id);

 private:
  MountHelper(std::filesystem::path mountpoint, UniqueFd socket, pid_t process)
      : mountpoint_(std::move(mountpoint)), socket_(std::move(socket)), process_(process) {}

  std::filesystem::path mountpoint_;
  UniqueFd socket_;
  std::unique_ptr<std::mutex> turn_ = std::make_unique<std::mutex>();  ///< of one exchange
  pid_t process_;
};

}  // namespace grantfs
