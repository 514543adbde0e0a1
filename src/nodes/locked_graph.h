#pragma once

#include <algorithm>
#include <cstddef>

#include "base/sync.h"
#include "nodes/node_graph.h"

namespace grantfs {

/// The graph and its lock, which NodeTable and LentEntries share.
using LockedGraph = Sync<NodeGraph, YieldingMutex>;

/// Counts the names that a call goes over, and hands the lock on after every kAtOnce.
class Turns {
 public:
  /// The number of names between two turns of others.
  static constexpr std::size_t kAtOnce = 128;

  explicit Turns(LockedGraph::Lock& lock) : lock_(lock) {}
  /// Call it before each name. True if others may have had the lock.
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
