#include "fuse/negotiation.h"

namespace grantfs {
namespace {

/// Asks the kernel to send lookups and listings in one folder for several callers at once.
/// Otherwise the kernel sends one after the other, and one name that the store hangs on would stop
/// all lookups beside it. libfuse 3.14 knows the flag and never passes it on.
void allow_parallel_lookups([[maybe_unused]] fuse_conn_info* info) {
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
  fuse_set_feature_flag(info, FUSE_CAP_PARALLEL_DIROPS);
#endif
}

/// File handles (open_by_handle_at(2)) lead past every door, for whoever has CAP_DAC_READ_SEARCH.
/// The kernel refuses them from Linux 6.9 on, if it is asked by a libfuse from 3.17 on. Elsewhere a
/// handle leads to what the kernel has in memory and to nothing else: the kernel would send a
/// LOOKUP of "." for the rest only if FUSE_EXPORT_SUPPORT were announced (fuse_get_dentry() in
/// fs/fuse/inode.c), and on_lookup() refuses that too.
void refuse_handles(fuse_conn_info* info, Connection& connection) {
#if defined(FUSE_CAP_NO_EXPORT_SUPPORT)
  fuse_unset_feature_flag(info, FUSE_CAP_EXPORT_SUPPORT);
  connection.refuses_handles = fuse_set_feature_flag(info, FUSE_CAP_NO_EXPORT_SUPPORT);
#else
  info->want &= ~static_cast<unsigned>(FUSE_CAP_EXPORT_SUPPORT);
  (void)connection;
#endif
}

}  // namespace

Connection negotiate(fuse_conn_info* info, [[maybe_unused]] const FuseOptions& options) {
  Connection connection;
  allow_parallel_lookups(info);
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 18)
  constexpr unsigned kFirstWithEpochs = 44;  // of FUSE 7, in linux/fuse.h
  connection.epochs = info->proto_minor >= kFirstWithEpochs;
#endif
  refuse_handles(info, connection);
#if defined(FUSE_CAP_PASSTHROUGH)
  // Asked for also where the kernel is given no file to read by itself: a mount that might hand on
  // files of a disk (depth 1; 2 would forbid passthrough altogether) counts as stacked twice, and
  // nothing can be stacked upon it (process_init_reply() in fs/fuse/inode.c,
  // FILESYSTEM_MAX_STACK_DEPTH). An overlayfs would hold entries that no recall finds.
  if (fuse_set_feature_flag(info, FUSE_CAP_PASSTHROUGH)) {
    info->max_backing_stack_depth = 1;
    connection.refuses_stacking = true;
    connection.passthrough = options.asks_at_open && options.passthrough != Use::kNo;
  }
#endif
#if defined(GRANTFS_HAS_IO_URING)
  connection.io_uring =
      options.io_uring != Use::kNo && fuse_get_feature_flag(info, FUSE_CAP_OVER_IO_URING);
#endif
  return connection;
}

}  // namespace grantfs
