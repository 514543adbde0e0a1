#pragma once

#include <algorithm>
#include <cstddef>

#include "base/sync.h"
#include "nodes/node_graph.h"

namespace grantfs {

/// The graph behind its lock, which NodeTable and LentEntries share.
using LockedGraph = Sync<NodeGraph, YieldingMutex>;

/// Counts what is gone over, and hands the lock on in time.
class Turns {
 public:
  /// Names that are gone over before others have the lock.
  static constexpr std::size_t kAtOnce = 128;

  explicit Turns(LockedGraph::Lock& lock) : lock_(lock) {}
  /// Before each name. True if others may have had the lock.
  bool next() {
    const bool over = names_ == kAtOnce;
    if (over) {
      lock_.yield();
      names_ = 0;
    }
    ++names_;
    NodeGraph::Effort& effort = lock_->effort;
    ++effort.names;
    effort.most_at_once = std::max(effort.most_at_once, names_);
    return over;
  }

 private:
  LockedGraph::Lock& lock_;
  std::size_t names_ = 0;
};

}  // namespace grantfs
