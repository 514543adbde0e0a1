#pragma once

#include <fuse_lowlevel.h>

#include "fuse/mount.h"

// Whether this libfuse can be used over io_uring. StoreWorkers reply to requests. A libfuse without
// the second macro submits their replies on their threads; the kernel then delivers later requests
// by those threads, which may be waiting for the store.
#if defined(FUSE_CAP_OVER_IO_URING) && defined(FUSE_URING_REPLIES_FROM_ANY_THREAD)
#define GRANTFS_HAS_IO_URING
#endif

namespace grantfs {

/// What the kernel and libfuse agreed upon (FUSE_INIT).
struct Connection {
  bool passthrough = false;       ///< the kernel reads files of the store itself
  bool refuses_handles = false;   ///< the kernel gives and takes no file handles
  bool refuses_stacking = false;  ///< the kernel lets no file system be stacked on this one
  bool io_uring = false;          ///< requests come over io_uring
  bool epochs = false;            ///< everything can be forgotten at once (FUSE_NOTIFY_INC_EPOCH)
};

/// Agrees with the kernel and libfuse, in FUSE_INIT: asks for all that `options` want and both
/// have.
Connection negotiate(fuse_conn_info* info, const FuseOptions& options);

}  // namespace grantfs
