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

/// Recent lookups settle a race of open(2) with a file that is replaced again and again: between
/// LOOKUP and OPEN, the name has come to lead to another file. ESTALE makes the kernel walk the
/// path again, but once only (do_filp_open() in fs/namei.c), and the second walk may meet the same.
/// So for one second from such a miss on, the files that lookups find are kept. The OPEN that
/// follows gets the file that its own LOOKUP found, which was at the path when that open(2) had
/// begun.
///
/// In quiet times nothing is kept. Thread-safe.
class RecentLookups {
 public:
  /// Notes that an open missed the file of its lookup.
  void missed();
  /// Keeps the file that a lookup found, if an open missed its file within the last second. The
  /// oldest makes room.
  void keep(NodeId node, Located found);
  /// The file that the lookup of this node found within the last second, if it was kept.
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
