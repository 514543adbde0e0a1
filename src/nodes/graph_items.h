#pragma once

#include <chrono>
#include <cstdint>

#include "base/short_bytes.h"
#include "grantfs/decision.h"
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
  FileHandle handle;              ///< of a file
  std::int64_t seen_changed = 0;  ///< by NodeTable::note_change(): Found::changed
  std::int64_t made = 0;          ///< of a file: steady_clock, nanoseconds
  NodeId id = kRootNode;
  Slot entry = 0;  ///< first of the entries that lead here
  Slot child = 0;  ///< first of the entries below
  Slot next_by_file = 0;
  NodeKind kind{};
  DoorNumber door = 0;
  bool is_view : 1 = false;  ///< a view's root
  bool is_shared : 1 = false;
  bool is_current : 1 =
      false;  ///< of a shared one: it is in by_file, others do not come to share it
  bool looks_again : 1 = false;
  bool held_steady : 1 = false;  ///< of a folder: it is in NodeGraph::steady_folders
};
static_assert(sizeof(GraphNode) == 120, "there may be millions");

/// An entry (dentry): a name in a folder, and the node that it leads to.
struct GraphEntry {
  ShortBytes name;                 ///< may be a token
  std::uint32_t listed_until = 0;  ///< if it is listed as expiring: Unix seconds, their low bits
  Slot parent = 0;
  Slot child = 0;
  Slot next_of_child = 0;  ///< next entry that leads to the same node
  Slot previous_of_child = 0;
  Slot next_below = 0;  ///< next entry of the same folder
  Slot previous_below = 0;
  Slot next_by_name = 0;
  std::uint32_t lent_until = 0;   ///< as far as we know; steady_clock, seconds
  std::uint32_t looked_up = 0;    ///< when last; steady_clock, seconds
  Access lent{};                  ///< kClosed: nothing
  std::uint8_t streak = 0;        ///< lookups one soon after the other
  bool is_former : 1 = false;     ///< the name leads to another node by now
  bool leads_to_uri : 1 = false;  ///< see LentEntries::leads_to_uri()
  bool is_listed : 1 = false;     ///< in NodeGraph::expiring
  /// In NodeGraph::by_rule: whether what is lent by this entry, or below it, rests on a rule.
  SlotGroups::Place rests = 0;
};
static_assert(sizeof(GraphEntry) == 64, "there may be millions");

}  // namespace grantfs
