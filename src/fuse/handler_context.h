#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "fuse/backing.h"
#include "fuse/handle_set.h"
#include "fuse/mount.h"
#include "fuse/negotiation.h"
#include "store/store_workers.h"
#include "tree/tree.h"

namespace grantfs {

/// A file that a client has open.
struct OpenHandle {
  std::shared_ptr<OpenedFile> file;  ///< only where files cannot be read by handle
  std::shared_ptr<Backing> backing;
};

/// What the handlers need; libfuse hands it to each as the session's user data.
struct HandlerContext {
  HandlerContext(Tree& tree_to_serve, const FuseOptions& fuse_options)
      : tree(tree_to_serve), options(fuse_options), asks_at_open(fuse_options.asks_at_open) {}

  void count(Upcall kind) {
    upcalls[static_cast<std::size_t>(kind)].fetch_add(1, std::memory_order_relaxed);
  }
  /// The timeout in seconds for a reply that the tree lends for `lent_for`; zero while nothing is
  /// lent. Whatever the reply is about, the timeout ends while the database counts as current.
  double timeout(std::chrono::nanoseconds lent_for) const {
    if (!lends) return 0;
    return std::chrono::duration<double>(tree.lender().while_current(lent_for)).count();
  }
  std::uint64_t open_handles() { return files.size() + folders.size(); }

  Tree& tree;
  const FuseOptions& options;
  const bool asks_at_open;  ///< FuseOptions::asks_at_open
  Connection connection;    ///< as of on_init, before anything else is asked
  std::atomic<bool> passthrough{false};
  std::atomic<bool> lends{true};  ///< FuseMount::lend()
  std::array<std::atomic<std::uint64_t>, kUpcallNames.size()> upcalls{};
  HandleSet<OpenHandle> files;
  HandleSet<OpenFolder> folders;
  Backings backings;
  StoreWorkers workers{kStoreWorkers, kMostWaiting};
  /// For lookups that begin a use of a link (Tree::begin_use()), one after the other: each takes as
  /// long as a commit.
  StoreWorkers use_workers{1, kMostWaiting, StoreWorkers::kPatience, "grantfs uses"};

  /// With io_uring each processor has a fixed number of places for requests, and a request that
  /// waits for the store occupies its place. While the store hangs, no more requests wait than
  /// there are workers.
  static constexpr unsigned kRingDepth = 32;

 private:
  static constexpr std::size_t kMostWaiting = 1024;
  static constexpr unsigned kStoreWorkers = 8;
  static_assert(2 * kStoreWorkers <= kRingDepth);
};

}  // namespace grantfs
