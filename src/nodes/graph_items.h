#pragma once

#include <chrono>
#include <cstdint>

#include "grantfs/decision.h"
#include "grantfs/secret.h"
#include "nodes/node_ids.h"
#include "nodes/place.h"
#include "nodes/slab.h"
#include "nodes/slot_groups.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

/// Seconds of CLOCK_MONOTONIC in 32 bits, as nodes and entries keep them: enough for 136 years.
inline std::uint32_t steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(now).count());
}

/// A node (inode), as NodeGraph has it.
struct GraphNode {
  std::uint64_t lookups = 0;  ///< that the kernel has not forgotten
  Found last{};
  FileHandle handle;
  std::int64_t seen_changed = 0;  ///< by NodeTable::note_change(): Found::changed
  std::int64_t made = 0;          ///< of a file: steady_clock, nanoseconds
  NodeId id = kRootNode;
  std::uint32_t holds_steady_since = 0;  ///< steady_clock, seconds
  std::uint32_t holds_steady_until = 0;
  Slot entry = 0;  ///< first of the entries that lead here
  Slot child = 0;  ///< first of the entries below
  Slot next_by_file = 0;
  NodeKind kind{};
  DoorNumber door = 0;
  bool is_view = false;  ///< a view's root
  bool is_shared = false;
  bool is_current = false;  ///< of a shared one: it is in by_file, others do not come to share it
  bool looks_again = false;
};

/// An entry (dentry): a name in a folder, and the node that it leads to.
struct GraphEntry {
  std::int64_t listed_until = 0;  ///< as which it is listed as expiring; Unix seconds
  Secret name;                    ///< may be a token
  Slot parent = 0;
  Slot child = 0;
  Slot next_of_child = 0;  ///< next entry that leads to the same node
  Slot previous_of_child = 0;
  Slot next_below = 0;  ///< next entry of the same folder
  Slot previous_below = 0;
  Slot next_by_name = 0;
  std::uint32_t lent_until = 0;  ///< as far as we know; steady_clock, seconds
  std::uint32_t looked_up = 0;   ///< when last; steady_clock, seconds
  Access lent{};                 ///< kClosed: nothing
  bool is_former = false;        ///< the name leads to another node by now
  std::uint8_t streak = 0;       ///< lookups one soon after the other
  bool leads_to_uri = false;     ///< see LentEntries::leads_to_uri()
  /// In NodeGraph::by_rule: whether what is lent by this entry, or below it, rests on a rule.
  SlotGroups::Place rests = 0;
};

}  // namespace grantfs
