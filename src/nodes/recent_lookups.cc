#include "nodes/recent_lookups.h"

#include <utility>

namespace grantfs {

void RecentLookups::missed() {
  keep_until_.store((Clock::now() + kKeepFor).time_since_epoch().count(),
                    std::memory_order_relaxed);
}

void RecentLookups::keep(NodeId node, Located found) {
  const auto until = keep_until_.load(std::memory_order_relaxed);
  if (until == 0) return;
  auto ring = ring_.lock();
  if (Clock::now().time_since_epoch().count() >= until) {
    // A descriptor pins its file, deleted or not: none is kept longer than this.
    ring->slots = {};
    keep_until_.store(0, std::memory_order_relaxed);
    return;
  }
  ring->slots[ring->next] = Slot{node, Clock::now(), std::move(found)};
  ring->next = (ring->next + 1) % kMostKept;
}

std::optional<Located> RecentLookups::take(NodeId node) {
  if (keep_until_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  auto ring = ring_.lock();
  for (Slot& slot : ring->slots) {
    if (slot.node == node && Clock::now() - slot.since < kKeepFor) {
      slot.node = 0;
      return std::move(slot.found);
    }
  }
  return std::nullopt;
}

}  // namespace grantfs
