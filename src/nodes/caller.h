#pragma once

#include <sys/types.h>

namespace grantfs {

/// Who makes a request, as the kernel tells it (struct fuse_in_header in linux/fuse.h).
struct Caller {
  uid_t uid =
      static_cast<uid_t>(-1);  ///< fsuid, in the mount's user namespace; -1: not known there
  pid_t pid = 0;               ///< of the thread, in the daemon's pid namespace; 0: not known there
};

/// Not the uid of any caller that is let in: user_namespaces(7), chown(2).
inline constexpr uid_t kNobodyAtAll = static_cast<uid_t>(-1);

}  // namespace grantfs
