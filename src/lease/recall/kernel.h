#pragma once

#include <string>

#include "base/errno.h"
#include "grantfs/result.h"
#include "nodes/node_table.h"

namespace grantfs {

/// The kernel's cache, as recalls use it. forget_entry() and forget_file() may be called neither
/// from a handler of a request nor under a lock that one takes: the kernel waits for requests under
/// way. The others may be called from any thread.
class Kernel {
 public:
  virtual ~Kernel() = default;

  /// Returns when no path walk that begins later goes through the entry, or anything below it that
  /// is not in use, without a lookup (fuse_reverse_inval_entry() in fs/fuse/dir.c: it takes the
  /// folder's lock, under which lookups install what they found). ENOENT: it had no such entry.
  virtual Result<void, Errno> forget_entry(const KernelEntry& entry) = 0;

  /// Returns when the kernel has dropped the attributes and the bytes of the node: everybody who
  /// asks for them later, by a name or by an open file, is told them afresh. It waits for reads
  /// under way (fuse_reverse_inval_inode() in fs/fuse/inode.c), and so for the store. ENOENT: it
  /// knows no such node.
  virtual Result<void, Errno> forget_file(NodeId node) = 0;

  /// Returns when the kernel has dropped the attributes of a folder, also those of replies that are
  /// on their way to it (fuse_reverse_inval_inode() and fuse_change_attributes() in
  /// fs/fuse/inode.c). It waits for nothing. ENOENT: it knows no such node.
  virtual Result<void, Errno> forget_attributes(NodeId folder) = 0;

  /// Whether the kernel has what forget_everything() needs (FUSE_NOTIFY_INC_EPOCH, Linux 6.16).
  virtual bool forgets_everything() const = 0;
  /// Returns when every path walk that begins later looks everything up afresh, and also one under
  /// way from its next step on. It takes no lock.
  virtual Result<void, Errno> forget_everything() = 0;

  /// Ends the connection, and with it the program, because the kernel must not go on with what it
  /// holds.
  [[noreturn]] virtual void abort(const std::string& why) = 0;
};

}  // namespace grantfs
