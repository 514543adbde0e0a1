#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "nodes/lent_entries.h"
#include "nodes/locked_graph.h"
#include "nodes/node_graph.h"
#include "nodes/place.h"
#include "store/store.h"

namespace grantfs {

/// The nodes (inodes) that the kernel knows, with its lookup counts, and the entries (dentries)
/// that lead to them. A node lives until the kernel has forgotten every lookup of it and of
/// everything below it.
///
/// A folder belongs to one view and has one entry. A file may be shared: then all views for servers
/// have one node of it, whatever its names, so that the kernel caches its bytes once. A file that
/// takes the place of another, or that has changed, gets a new node; open handles keep the old one.
/// A file that changed a moment ago, so that a later change might not show (Found::settled), gets a
/// new node every lease.
///
/// Entries also remember what has been lent with them lately: see LentEntries.
///
/// No node holds a descriptor. At 20 bytes a name, a node with one entry takes about 280 bytes.
///
/// Thread-safe. A call that goes over many names (forgetting a file that has many or a folder that
/// holds many, collecting what is lent) hands the lock on after every kAtOnce names, so that no
/// other thread waits for longer.
class NodeTable {
 public:
  /// The number of names between two turns of others; see Turns.
  static constexpr std::size_t kAtOnce = Turns::kAtOnce;

  /// `lent_for`: the time for which an entry counts as lent after each lending, unless it is lent
  /// for longer. `often`: a name whose lookups follow one another within this time is in steady
  /// use. `fresh_for`: the greatest age of what the kernel shows of a file.
  explicit NodeTable(std::chrono::seconds lent_for = std::chrono::seconds(0),
                     std::chrono::seconds often = std::chrono::seconds(2),
                     std::chrono::nanoseconds fresh_for = std::chrono::nanoseconds(0));
  ~NodeTable() = default;

  LentEntries& lent() { return lent_; }
  const LentEntries& lent() const { return lent_; }

  /// What the node stands for; none if the kernel does not know such a node.
  std::optional<Place> find(NodeId id);

  struct Remembered {
    NodeId node;
    bool lent;                  ///< false: the kernel must not keep the answer
    bool is_steady = false;     ///< the name is in steady use
    bool holds_steady = false;  ///< the node is a folder: see LentEntries::hold_steady()
    /// The longest time for which the answer may be lent, because the file might change unnoticed.
    std::chrono::nanoseconds fresh_for = std::chrono::nanoseconds::max();
    /// The node that the file had before it changed, at the first lookup that shows the change;
    /// else 0.
    NodeId before = 0;
  };

  /// One of the mount's own folders, links and markers, with one more lookup; `number`: which door.
  /// None if `parent` is gone.
  std::optional<Remembered> remember_fixed(NodeId parent, std::string_view name, NodeKind kind,
                                           DoorNumber number = 0);
  /// The root of a view, where its paths begin, with one more lookup. If the name led to another
  /// folder of the store before, or was that of other processes, the former view is left to those
  /// who are in it. None if `parent` is gone.
  std::optional<Remembered> remember_view(NodeId parent, std::string_view name, ViewPointer view,
                                          const Loan* loan);
  /// A folder of a view that does not depend on the store, with one more lookup. None if `parent`
  /// is gone.
  std::optional<Remembered> remember_empty_folder(NodeId parent, std::string_view name,
                                                  const Loan* loan);

  /// The file or folder that a lookup found by the name `name` in `parent`, in the same view, with
  /// one more lookup. None if `parent` is gone.
  std::optional<Remembered> remember(NodeId parent, std::string_view name, const Located& located,
                                     FileNode whose, const Loan* loan);

  /// Notes the state of a file. True if the kernel should forget the bytes that it has read by the
  /// node: the file has changed since the node was made, and since the last call that returned
  /// true.
  bool note_change(NodeId id, const Found& now);

  struct Forgotten {
    bool gone = false;  ///< the node has gone
    /// Whether so many nodes and names have gone lately that giving back memory pays.
    bool much = false;
  };
  /// Takes back `count` lookups (FUSE_FORGET). The cost follows the number of names that go.
  Forgotten forget(NodeId id, std::uint64_t count);

  /// Whether an open that found the file `changed` should make the kernel look the name up again.
  /// False if the open before it was answered so.
  bool look_again(NodeId id, bool changed);

  /// Nodes now, the root and other fixed ones included.
  std::size_t size();

  NodeGraph::Effort effort() { return graph_.lock()->effort; }
  /// Calls NodeGraph::check().
  void check() { graph_.lock()->check(); }

 private:
  /// Remembers a name that leads to one of the mount's own folders, links or markers.
  struct Own {
    NodeKind kind;
    DoorNumber door = 0;
    ViewPointer view{};
  };
  std::optional<Remembered> remember_own(NodeId parent, std::string_view name, Own own,
                                         const Loan* loan);
  /// Counts a lookup, and lends what it found.
  Remembered count(NodeGraph& graph, Slot entry, Slot node, const Loan* loan);
  /// Notes a lookup. True if the name is in steady use.
  bool note_use(GraphEntry& entry) const;
  /// The time for which an answer that leads to the node may be lent; zero: not at all.
  std::chrono::nanoseconds fresh_left(const GraphNode& node, const Found& now) const;
  /// The shared node of a file in its present state; 0: none. A node of an earlier state is no
  /// longer current.
  Slot find_shared(NodeGraph& graph, const Found& found, NodeId& before) const;
  /// Removes the entries of a forgotten folder that lead to shared nodes.
  static void forget_below(Turns& turns, NodeGraph& graph, NodeId folder);
  /// Removes the entries that lead to a forgotten node, which may be many.
  static void forget_names(Turns& turns, NodeGraph& graph, NodeId node);

  const std::chrono::seconds often_;
  const std::chrono::nanoseconds fresh_for_;
  LockedGraph graph_;
  LentEntries lent_;
};

}  // namespace grantfs
