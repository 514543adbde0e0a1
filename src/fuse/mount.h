#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "fuse/kernel_mount.h"
#include "grantfs/result.h"
#include "lease/recall/kernel.h"
#include "tree/tree.h"

namespace grantfs {

/// Whether to use a feature that not every kernel, libfuse or store has.
enum class Use {
  kAuto,  ///< where it is to be had
  kYes,   ///< and the mount is refused where it is not
  kNo,
};

/// Requests that the kernel makes of us.
enum class Upcall : std::uint8_t {
  kLookup,
  kGetattr,
  kReadlink,
  kOpen,
  kRead,
  kRelease,
  kOpendir,
  kReaddir,
  kReleasedir,
};
inline constexpr std::array kUpcallNames{"lookup",  "getattr", "readlink", "open",      "read",
                                         "release", "opendir", "readdir",  "releasedir"};

/// When a mount is attached to its mount point, and what is there before.
enum class Attachment : std::uint8_t {
  kFree,      ///< at once; nothing is there
  kOverDead,  ///< at once; the mount of a daemon that is gone is there, and is taken away
  kLater,     ///< by FuseMount::replace(); the mount answers before
};

/// How far the life of a mount is.
enum class Stage : std::uint8_t {
  kStarting,  ///< not attached yet
  kServing,   ///< at its mount point
  kLeaving,   ///< taken away: whoever is in it goes on, and nobody else finds it
};
inline constexpr std::array kStageNames{"starting", "serving", "leaving"};

struct FuseOptions {
  Attachment attachment = Attachment::kFree;
  unsigned threads = 0;  ///< most that answer requests; 0: libfuse's choice
  /// Whether the kernel asks at every open(2). If not, the first OPEN is answered so that the
  /// kernel never asks again (FUSE_NO_OPEN_SUPPORT), and files are read by node.
  bool asks_at_open = true;
  Use passthrough = Use::kAuto;  ///< of no meaning unless asks_at_open
  Use io_uring = Use::kAuto;
};

/// A tree at a mount point, answered over /dev/fuse until somebody unmounts it, or a signal
/// (SIGTERM, SIGINT, SIGHUP) ends it.
class FuseMount final : public Kernel {
 public:
  /// Has `helper` attach the mount to its mount point, unless that comes later. Nothing is
  /// answered before run(). kSystem if libfuse or the kernel refuses. `helper` outlives this.
  static Result<std::unique_ptr<FuseMount>> mount(Tree& tree, KernelMount kernel_mount,
                                                  MountHelper& helper, const FuseOptions& options);
  /// Unmounts if need be.
  ~FuseMount() override;
  FuseMount(const FuseMount&) = delete;
  FuseMount& operator=(const FuseMount&) = delete;

  /// Answers requests until unmounted or signalled; then the mount is gone. The calling thread must
  /// be the one that the signals reach; `on_signals_handled` is called on it once they are.
  /// kSystem if the connection ends and the mount does not: it stays, and refuses everything. If
  /// this throws, for lack of memory, the mount is gone too.
  Result<void> run(const std::function<void()>& on_signals_handled);

  /// Whether the kernel may still use what it was lent after run() has returned: in a folder that a
  /// process holds open, until the lease is over. True where the kernel could not be told to forget
  /// (Linux before 6.16, libfuse before 3.18).
  bool leaves_leases() const;

  /// Whether requests may come over io_uring; known before run(). uses_io_uring() says whether
  /// they do.
  bool may_use_io_uring() const;

  /// Sets whether the kernel is lent anything from now on; at first it is. A caller that stops the
  /// lending recalls what was lent. Any thread.
  void lend(bool lends);

  /// Makes run() return `why`. Any thread.
  void stop(Error why);

  /// Asks the mount, wherever it is, as a client does that wants its size, by the helper
  /// (MountHelper::ask()). Blocks until it answers.
  /// An error number, or the answer's file system type (statfs(2)): another than FUSE's, if the
  /// mount was taken away. Any thread.
  Result<std::int64_t, Errno> ask() const;
  /// Puts an unattached mount in the place of the living one with this number
  /// (MountHelper::replace()). Any thread, during run(). kSystem also if run() is about to return.
  Result<void> replace(std::uint64_t mount_id);
  /// Any thread. Reads the list of mounts once it was attached.
  Stage stage() const;
  /// lasting_mount_id() of the mount. Any thread.
  std::uint64_t mount_id() const;

  /// Files and folders held open by clients. Any thread.
  std::uint64_t open_handles() const;
  /// Whether requests wait for a store that has answered nothing for seconds.
  bool waits_for_store() const;
  /// The number of requests of each kind, in the order of kUpcallNames. Any thread.
  std::array<std::uint64_t, kUpcallNames.size()> upcalls() const;
  /// The features in use; known once the mount has answered a request.
  bool uses_passthrough() const;
  bool uses_io_uring() const;
  /// Whether the kernel gives no file handles of the mount (name_to_handle_at(2)), and takes none.
  bool refuses_handles() const;
  /// Whether the kernel refuses to mount a file system that is stacked on this one (overlayfs,
  /// ecryptfs), which would hold entries that no recall finds.
  bool refuses_stacking() const;

  Result<void, Errno> forget_entry(const KernelEntry& entry) override;
  Result<void, Errno> forget_file(NodeId node) override;
  Result<void, Errno> forget_attributes(NodeId folder) override;
  bool forgets_everything() const override;
  Result<void, Errno> forget_everything() override;
  [[noreturn]] void abort(const std::string& why) override;

 private:
  class Session;
  explicit FuseMount(std::unique_ptr<Session> session);

  std::unique_ptr<Session> session_;
};

/// Whether a FUSE mount is at that path whose daemon is gone or whose connection is broken. Asks
/// the daemon, if there is one: statfs(2), which the kernel does not answer from a cache.
bool is_dead_mount(const std::filesystem::path& mountpoint);

/// Version of the libfuse in use, as it says.
std::string libfuse_version();

}  // namespace grantfs
