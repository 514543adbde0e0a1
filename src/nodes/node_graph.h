#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/sync.h"
#include "grantfs/decision.h"
#include "grantfs/timestamp.h"
#include "nodes/graph_items.h"
#include "nodes/lent_entry.h"
#include "nodes/node_ids.h"
#include "nodes/slab.h"
#include "nodes/slot_groups.h"
#include "nodes/slot_index.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

/// The nodes that the kernel knows and the entries that lead to them, linked both ways. Each call
/// costs the same however many there are; the cost of release() alone follows the number of nodes
/// that go. One thread at a time: NodeTable has the lock.
class NodeGraph {
 public:
  /// A view, and its root's places in the groups of views.
  struct RootOfView {
    ViewPointer view;
    SlotGroups::Place by_token = 0;
    SlotGroups::Place by_principal = 0;
  };
  using Views = std::unordered_map<Slot, RootOfView>;
  /// Since when a folder holds files that are lent for longer than a lease, and until when;
  /// steady_clock, seconds.
  struct SteadySpan {
    std::uint32_t since = 0;
    std::uint32_t until = 0;
  };

  /// Makes a graph of the root alone, which is never forgotten.
  NodeGraph();
  NodeGraph(const NodeGraph&) = delete;
  NodeGraph& operator=(const NodeGraph&) = delete;

  NodeId id_of(Slot node) const { return nodes[node].id; }
  /// 0 if there is no such node.
  Slot slot_of(NodeId id);
  Slot make_node(NodeKind kind);
  /// 0 if there is none.
  Slot find_entry(Slot parent, std::string_view name);
  /// Makes all of the entry, or none of it and throws std::bad_alloc.
  Slot make_entry(Slot parent, std::string_view name, Slot child);
  void erase_entry(Slot entry);
  /// Makes the name lead to `child`. The node that it led to keeps a former entry as long as it
  /// lives, because its path is known by that. What was lent stays with the name.
  Slot replace_entry(Slot former, Slot child);
  /// Notes the rule that what is lent by the entry, or below it, rests on; zero: none.
  void rest_on(Slot entry, RuleHash rule);
  /// Makes the node the root of a view.
  void make_view(Slot node, ViewPointer view);
  /// Removes the node, which has no entries any more.
  void erase_node(Slot node) noexcept;
  /// Removes the node if nothing holds it any more, and then likewise each node above it.
  void release(Slot node) noexcept;

  /// The current shared node of this file; 0: none.
  Slot find_shared(const FileId& id);
  /// Makes the node the shared one of its file. Call make_room_for_shared() first.
  void share(Slot node);
  void make_room_for_shared();
  /// Ends the sharing: later lookups get another node.
  void retire(Slot node) noexcept;

  /// The view that a node is in, and the node's path in the store. Null if the node is outside the
  /// views, or has lost its name.
  std::pair<ViewPointer, StorePath> place_of(Slot node);
  /// The names that lead to one of the mount's own folders.
  std::vector<std::string> way_to(Slot node) const;
  KernelEntry key_of(const GraphEntry& entry) const {
    return {id_of(entry.parent), std::string(entry.name.view())};
  }
  const ViewPointer& view_at(Slot root) const;
  /// The ids of the nodes that are in a group.
  std::vector<NodeId> ids_of(const SlotGroups& groups, std::uint64_t group) const;

  /// Gives back the memory of nodes and entries that have gone. True if that is much: then trimming
  /// the heap pays.
  bool shrink_if_much_has_gone() noexcept;
  /// Asserts that all links fit together. The cost follows the number of nodes and entries. Does
  /// nothing where assertions are off.
  void check();

  Slab<GraphNode> nodes;
  Slab<GraphEntry> entries;
  Views views;      ///< by their roots, but for those of URIs
  Views uri_views;  ///< as many as anyone cares to make up: never walked through
  std::unordered_map<Slot, SteadySpan> steady_folders;
  std::unordered_set<Slot> uri_files;  ///< entries by which files have been lent in these
  std::multimap<Timestamp, KernelEntry> expiring;
  SlotGroups by_rule;         ///< entries by the rule that they rest on (RuleHash); see LentEntries
  SlotGroups views_by_token;  ///< roots of views for servers, by keyed_hash(TokenHash::hex())
  SlotGroups views_by_principal;  ///< the same by keyed_hash(Principal::text())

  /// Walks over the entries of a folder, also where the caller hands the lock on in between: a
  /// cursor moves on when its next entry goes. Made and destroyed under the lock.
  class Cursor {
   public:
    Cursor(NodeGraph& graph, Slot first)
        : at(first), next_(std::exchange(graph.cursors_, this)), graph_(graph) {}
    ~Cursor();
    Cursor(const Cursor&) = delete;
    Cursor& operator=(const Cursor&) = delete;

    /// Returns the entry that the cursor is at, and moves on; 0 at the end.
    Slot take() { return at == 0 ? 0 : std::exchange(at, graph_.entries[at].next_below); }
    Slot at;

   private:
    friend class NodeGraph;
    Cursor* next_;
    NodeGraph& graph_;
  };

  /// The number of names gone over since the start, and the most between two turns of others.
  struct Effort {
    std::size_t names = 0;
    std::size_t most_at_once = 0;
  };
  Effort effort;

 private:
  void erase_view(Slot root) noexcept;

  struct ByName;
  struct ByFile;

  const NodeIds ids_;
  SlotIndex by_name_;  ///< of entries: folder and name
  SlotIndex by_file_;  ///< of shared nodes that are current: which file
  std::uint32_t last_birth_ = 0;
  std::size_t most_ = 0;                 ///< nodes and entries there were since much had gone
  Cursor* cursors_ = nullptr;            ///< all there are
  std::vector<std::string_view> names_;  ///< of place_of() alone, kept for its memory
};

/// A new node, removed again by the destructor, with its name, unless a lookup of it is counted.
class NewNode {
 public:
  NewNode(NodeGraph& graph, Slot node) : graph_(graph), node_(node) {}
  ~NewNode() {
    if (graph_.nodes[node_].lookups == 0) graph_.release(node_);
  }
  NewNode(const NewNode&) = delete;
  NewNode& operator=(const NewNode&) = delete;

 private:
  NodeGraph& graph_;
  const Slot node_;
};

}  // namespace grantfs
