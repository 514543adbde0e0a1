#pragma once

#include <fuse_lowlevel.h>

#include "fuse/mount.h"

namespace grantfs {

/// What the kernel and libfuse agreed upon (FUSE_INIT).
struct Connection {
  bool passthrough = false;       ///< the kernel reads files of the store itself
  bool refuses_handles = false;   ///< the kernel gives and takes no file handles
  bool refuses_stacking = false;  ///< the kernel lets no file system be stacked on this one
  bool io_uring = false;          ///< the kernel offers requests over io_uring
  bool epochs = false;            ///< everything can be forgotten at once (FUSE_NOTIFY_INC_EPOCH)
};

/// Agrees with the kernel and libfuse, in FUSE_INIT: asks for all that `options` want and both
/// have.
Connection negotiate(fuse_conn_info* info, const FuseOptions& options);

}  // namespace grantfs
