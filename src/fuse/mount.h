#pragma once

#include <memory>
#include <string>
#include <vector>

#include "grantfs/result.h"
#include "tree/tree.h"

namespace grantfs {

struct FuseOptions {
  std::string mountpoint;  ///< absolute
  std::string source;      ///< as /proc/self/mounts shows it
  /// Passed to the kernel besides what is implied (ro, nosuid, nodev, noexec, allow_other,
  /// default_permissions): security labels such as context=.
  std::vector<std::string> kernel_options;
  unsigned threads = 0;  ///< most that answer requests; 0: libfuse's choice
};

/// A tree at a mount point, answered over /dev/fuse until somebody unmounts it, or a signal
/// (SIGTERM, SIGINT, SIGHUP) ends it.
class FuseMount {
 public:
  /// Mounts. Nothing is answered before run(). kSystem if libfuse or the kernel refuses.
  static Result<std::unique_ptr<FuseMount>> mount(Tree& tree, const FuseOptions& options);
  /// Unmounts if need be.
  ~FuseMount();
  FuseMount(const FuseMount&) = delete;
  FuseMount& operator=(const FuseMount&) = delete;

  /// Answers requests until unmounted or signalled; the calling thread must be the one that the
  /// signals reach. Then the mount is gone.
  Result<void> run();

  /// Files and folders held open by clients. Any thread.
  std::uint64_t open_handles() const;

 private:
  class Session;
  explicit FuseMount(std::unique_ptr<Session> session);

  std::unique_ptr<Session> session_;
};

/// Version of the libfuse in use, as it says.
std::string libfuse_version();

}  // namespace grantfs
