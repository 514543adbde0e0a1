#include "nodes/node_table.h"

#include <algorithm>
#include <functional>
#include <new>

namespace grantfs {
namespace {

std::int64_t steady_nanoseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(now).count();
}

}  // namespace

NodeTable::NodeTable(std::chrono::seconds lent_for, std::chrono::seconds often,
                     std::chrono::nanoseconds fresh_for)
    : often_(often), fresh_for_(fresh_for), lent_(graph_, lent_for) {}

std::optional<Place> NodeTable::find(NodeId id) {
  auto graph = graph_.lock();
  const Slot slot = graph->slot_of(id);
  if (slot == 0) return std::nullopt;
  const GraphNode* node = &graph->nodes[slot];
  Place place{
      .id = id, .kind = node->kind, .door = node->door, .last = node->last, .handle = node->handle};
  if (node->kind == NodeKind::kDoor) {
    place.way = graph->way_to(slot);
  } else if (!node->is_shared) {
    std::tie(place.view, place.path) = graph->place_of(slot);
  }
  place.holds_steady = LentEntries::holds_steady(*graph, slot);
  if (node->kind == NodeKind::kFolder && node->entry != 0) {
    const GraphEntry& entry = graph->entries[node->entry];
    if (LentEntries::is_lent(entry)) place.lent = entry.lent;
  }
  return place;
}

std::optional<NodeTable::Remembered> NodeTable::remember_own(NodeId parent, std::string_view name,
                                                             Own own, const Loan* loan) {
  auto graph = graph_.lock();
  const Slot folder = graph->slot_of(parent);
  if (folder == 0) return std::nullopt;
  const Slot known = graph->find_entry(folder, name);
  if (known != 0) {
    const Slot child = graph->entries[known].child;
    const GraphNode& there = graph->nodes[child];
    const auto is_same_view = [&](const View& view) {
      return view.root == own.view->root && view.process == own.view->process &&
             view.principal == own.view->principal;
    };
    const bool same = there.kind == own.kind && there.door == own.door &&
                      there.is_view == (own.view != nullptr) &&
                      (!there.is_view || is_same_view(*graph->view_at(child)));
    if (same) return count(*graph, known, child, loan);
  }
  const Slot node = graph->make_node(own.kind);
  const NewNode guard(*graph, node);
  graph->nodes[node].door = own.door;
  if (own.view != nullptr) graph->make_view(node, std::move(own.view));
  const Slot entry =
      known != 0 ? graph->replace_entry(known, node) : graph->make_entry(folder, name, node);
  return count(*graph, entry, node, loan);
}

std::optional<NodeTable::Remembered> NodeTable::remember_fixed(NodeId parent, std::string_view name,
                                                               NodeKind kind, DoorNumber number) {
  return remember_own(parent, name, {kind, number}, nullptr);
}

std::optional<NodeTable::Remembered> NodeTable::remember_view(NodeId parent, std::string_view name,
                                                              ViewPointer view, const Loan* loan) {
  return remember_own(parent, name, {NodeKind::kFolder, 0, std::move(view)}, loan);
}

std::optional<NodeTable::Remembered> NodeTable::remember_empty_folder(NodeId parent,
                                                                      std::string_view name,
                                                                      const Loan* loan) {
  return remember_own(parent, name, {NodeKind::kFolder}, loan);
}

std::chrono::nanoseconds NodeTable::fresh_left(const GraphNode& node, const Found& now) const {
  constexpr auto kAlways = std::chrono::nanoseconds::max();
  if (node.last.changed != now.changed) return std::chrono::nanoseconds(0);
  if (node.last.settled) return kAlways;
  // Whatever is read by a node of a file that is settled by now, was read since it is.
  if (now.settled) return std::chrono::nanoseconds(0);
  const std::chrono::nanoseconds age(steady_nanoseconds() - node.made);
  return std::max(fresh_for_ - age, std::chrono::nanoseconds(0));
}

Slot NodeTable::find_shared(NodeGraph& graph, const Found& found, NodeId& before) const {
  const Slot node = graph.find_shared(found.id);
  if (node == 0 || fresh_left(graph.nodes[node], found).count() > 0) return node;
  before = graph.id_of(node);
  graph.retire(node);
  return 0;
}

std::optional<NodeTable::Remembered> NodeTable::remember(NodeId parent, std::string_view name,
                                                         const Located& located, FileNode whose,
                                                         const Loan* loan) {
  auto graph = graph_.lock();
  const Slot folder = graph->slot_of(parent);
  if (folder == 0) return std::nullopt;
  const Found& found = located.found;
  const NodeKind kind = found.type == Found::Type::kFile ? NodeKind::kFile : NodeKind::kFolder;
  const bool is_file = kind == NodeKind::kFile;
  const bool shared = whose == FileNode::kShared && is_file;

  Slot entry = graph->find_entry(folder, name);
  Slot node = entry != 0 ? graph->entries[entry].child : 0;
  NodeId before = 0;
  if (node != 0) {
    // A folder is known by its path; a file by which file it is.
    const GraphNode& there = graph->nodes[node];
    const bool same = there.kind == kind && (!is_file || there.last.id == found.id);
    const bool is_fresh =
        !is_file || whose == FileNode::kOfName || fresh_left(there, found).count() > 0;
    if (same && !is_fresh && !shared) before = graph->id_of(node);
    if (!same || !is_fresh) node = 0;
  }
  if (node == 0 && shared) node = find_shared(*graph, found, before);
  std::optional<NewNode> guard;
  if (node == 0) {
    if (shared) graph->make_room_for_shared();
    node = graph->make_node(kind);
    guard.emplace(*graph, node);
    GraphNode& made = graph->nodes[node];
    made.last = found;
    if (is_file) {
      made.handle = located.handle;
      made.seen_changed = found.changed;
      made.made = steady_nanoseconds();
    }
    if (shared) graph->share(node);
  } else {
    const bool settled = graph->nodes[node].last.settled;
    graph->nodes[node].last = found;
    graph->nodes[node].last.settled = settled;
  }
  if (entry == 0) {
    entry = graph->make_entry(folder, name, node);
  } else if (graph->entries[entry].child != node) {
    entry = graph->replace_entry(entry, node);
  }
  Remembered remembered = count(*graph, entry, node, loan);
  if (is_file && whose != FileNode::kOfName) {
    remembered.fresh_for = fresh_left(graph->nodes[node], found);
  }
  remembered.before = before;
  return remembered;
}

bool NodeTable::note_change(NodeId id, const Found& now) {
  auto graph = graph_.lock();
  const Slot slot = graph->slot_of(id);
  if (slot == 0) return false;
  GraphNode& node = graph->nodes[slot];
  if (node.seen_changed == now.changed) return false;
  if (now.settled) node.seen_changed = now.changed;
  return true;
}

NodeTable::Remembered NodeTable::count(NodeGraph& graph, Slot entry, Slot node, const Loan* loan) {
  const bool lent = lent_.lend(graph, entry, loan);  // first: it can fail
  ++graph.nodes[node].lookups;
  return {graph.id_of(node), lent, note_use(graph.entries[entry]),
          LentEntries::holds_steady(graph, node)};
}

bool NodeTable::note_use(GraphEntry& entry) const {
  constexpr std::uint8_t kSteady = 2;  // the third lookup in a row
  constexpr std::chrono::minutes kForgetful{10};
  const std::uint32_t now = steady_seconds();
  const std::chrono::seconds ago{now - std::exchange(entry.looked_up, now)};
  if (ago > kForgetful || (ago > often_ && entry.streak < kSteady)) {
    entry.streak = 0;
  } else if (entry.streak < kSteady) {
    ++entry.streak;
  }
  return entry.streak == kSteady;
}

NodeTable::Forgotten NodeTable::forget(NodeId id, std::uint64_t count) {
  auto graph = graph_.lock();
  const Slot slot = graph->slot_of(id);
  if (slot == 0 || id == kRootNode) return {};
  std::uint64_t& lookups = graph->nodes[slot].lookups;
  lookups -= std::min(lookups, count);
  if (lookups > 0) return {};
  Turns turns(graph);
  forget_below(turns, *graph, id);
  forget_names(turns, *graph, id);
  return {graph->slot_of(id) == 0, graph->shrink_if_much_has_gone()};
}

void NodeTable::forget_below(Turns& turns, NodeGraph& graph, NodeId folder) {
  // An entry pins its folder in the kernel: without the folder, there are no entries. Those of
  // nodes that other folders share would keep the folder here as long as the file is known.
  NodeGraph::Cursor next(graph, graph.nodes[graph.slot_of(folder)].child);
  while (next.at != 0) {
    if (turns.next()) {
      // Somebody may have looked the folder up again, and names in it.
      const Slot slot = graph.slot_of(folder);
      if (slot == 0 || graph.nodes[slot].lookups > 0) return;
    }
    const Slot entry = next.take();
    if (entry != 0 && graph.nodes[graph.entries[entry].child].is_shared) {
      graph.erase_entry(entry);
    }
  }
}

void NodeTable::forget_names(Turns& turns, NodeGraph& graph, NodeId id) {
  while (const Slot slot = graph.slot_of(id)) {
    const GraphNode& node = graph.nodes[slot];
    if (node.lookups > 0 || node.child != 0) return;
    if (node.entry == 0) return graph.erase_node(slot);
    const Slot folder = graph.entries[node.entry].parent;
    graph.erase_entry(node.entry);
    // A node with several entries is a shared file, and in as many folders: one at a time.
    if (node.entry == 0) graph.erase_node(slot);
    graph.release(folder);
    turns.next();
  }
}

bool NodeTable::look_again(NodeId id, bool changed) {
  auto graph = graph_.lock();
  const Slot slot = graph->slot_of(id);
  if (slot == 0) return false;
  GraphNode& node = graph->nodes[slot];
  node.looks_again = changed && !node.looks_again;
  return node.looks_again;
}

std::size_t NodeTable::size() {
  return graph_.lock()->nodes.size();
}

}  // namespace grantfs
