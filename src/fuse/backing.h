#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/errno.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "nodes/node_cache.h"

namespace grantfs {

/// A file of the store that the kernel reads by itself for those who have a node open
/// (FUSE passthrough, fs/fuse/backing.c). The destructor takes the kernel's reference back; files
/// that are open keep theirs. Must not outlive the device's descriptor.
class Backing {
 public:
  Backing(int device, int id) : device_(device), id_(id) {}
  ~Backing();
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;

  int id() const { return id_; }

 private:
  int device_;
  int id_;
};

/// All backings: at most one for each node that a client has open (the kernel refuses a second,
/// EIO), and those of the nodes opened last, because making one is expensive. Thread-safe.
class Backings {
 public:
  /// `device`: the connection's descriptor of /dev/fuse.
  void use(int device) { device_ = device; }

  /// Null if there is none yet.
  std::shared_ptr<Backing> find(NodeId node);
  /// Registers a file as the backing of a node, unless another thread was quicker. EPERM without
  /// CAP_SYS_ADMIN in the initial user namespace; ELOOP where the store is stacked on another
  /// filesystem.
  Result<std::shared_ptr<Backing>, Errno> make(NodeId node, const UniqueFd& file);
  void drop(NodeId node);
  /// Drops the backings of nodes that no client has open.
  void clear() { kept_.clear(); }

 private:
  static constexpr std::size_t kMostKept = 4096;

  int device_ = -1;
  NodeShare<Backing> open_;
  NodeCache<Backing> kept_{kMostKept};
};

}  // namespace grantfs
