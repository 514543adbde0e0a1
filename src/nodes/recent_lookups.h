#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/sync.h"
#include "nodes/node_table.h"
#include "store/store.h"

namespace grantfs {

/// Against a race that only a busy replacement shows: between the LOOKUP and the OPEN of one
/// open(2), the name has come to mean another file. ESTALE makes the kernel walk the path again,
/// but once only (do_filp_open() in fs/namei.c), and the second try may meet the same. So from the
/// first such miss on, for a second, what lookups find is kept, and the open that follows gets the
/// file its own lookup found: the one that was at the path when that open had begun.
///
/// In quiet times nothing is kept. Thread-safe.
class RecentLookups {
 public:
  /// An open missed the file of its lookup.
  void missed();
  /// Keeps what a lookup found, if an open missed lately. The oldest makes room.
  void keep(NodeId node, Located found);
  /// What the lookup of this node found within the last second, if it was kept.
  std::optional<Located> take(NodeId node);
  void clear() { ring_.lock()->slots = {}; }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kKeepFor{1};
  static constexpr std::size_t kMostKept = 64;  ///< a descriptor each

  struct Slot {
    NodeId node = 0;
    Clock::time_point since;
    Located found;
  };
  struct Ring {
    std::array<Slot, kMostKept> slots;
    std::size_t next = 0;
  };

  std::atomic<Clock::rep> keep_until_{0};  ///< zero: nothing is kept
  Sync<Ring> ring_;
};

}  // namespace grantfs
