#include "nodes/node_table.h"

#include <algorithm>
#include <functional>
#include <new>

#include "nodes/node_table_index.h"

namespace grantfs {
namespace {

std::int64_t steady_nanoseconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(now).count();
}

}  // namespace

NodeTable::NodeTable(std::chrono::seconds lent_for, std::chrono::seconds often,
                     std::chrono::nanoseconds fresh_for)
    : lent_for_(lent_for), often_(often), fresh_for_(fresh_for) {
  auto tables = tables_.lock();
  const Slot root = tables->nodes.make();  // slot 1: FUSE_ROOT_ID
  tables->nodes[root].lookups = 1;         // the kernel's own, never forgotten
}

Slot NodeTable::slot_of(Tables& tables, NodeId id) const {
  const auto slot = static_cast<Slot>(ids_.number_of(id));
  const Node* node = tables.nodes.find(slot);
  return node != nullptr && node->id == id ? slot : 0;
}

NodeTable::Cursor::~Cursor() {
  Cursor** link = &tables_.cursors;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

bool NodeTable::Turns::next() {
  const bool over = names_ == kAtOnce;
  if (over) {
    lock_.yield();
    names_ = 0;
  }
  ++names_;
  Effort& effort = lock_->effort;
  ++effort.names;
  effort.most_at_once = std::max(effort.most_at_once, names_);
  return over;
}

std::pair<ViewPointer, StorePath> NodeTable::place_of(Tables& tables, Slot slot) {
  std::vector<std::string_view> names;
  while (!tables.nodes[slot].is_view) {
    const Slot entry = tables.nodes[slot].entry;
    if (entry == 0) return {};  // outside the views, or without a name by now
    names.push_back(tables.entries[entry].name.view());
    slot = tables.entries[entry].parent;
  }
  const ViewPointer& view = tables.view_at(slot);
  return {view, StorePath::join(names.rbegin(), names.rend()).below(view->root)};
}

std::vector<std::string> NodeTable::way_to(const Tables& tables, Slot slot) {
  std::vector<std::string> names;
  for (; tables.nodes[slot].entry != 0; slot = tables.entries[tables.nodes[slot].entry].parent) {
    names.emplace_back(tables.entries[tables.nodes[slot].entry].name.view());
  }
  std::ranges::reverse(names);
  return names;
}

std::optional<Place> NodeTable::find(NodeId id) {
  auto tables = tables_.lock();
  const Slot slot = slot_of(*tables, id);
  if (slot == 0) return std::nullopt;
  const Node* node = &tables->nodes[slot];
  Place place{
      .id = id, .kind = node->kind, .door = node->door, .last = node->last, .handle = node->handle};
  if (node->kind == NodeKind::kDoor) {
    place.way = way_to(*tables, slot);
  } else if (!node->is_shared) {
    std::tie(place.view, place.path) = place_of(*tables, slot);
  }
  place.holds_steady = holds_steady(*node);
  if (node->kind == NodeKind::kFolder && node->entry != 0) {
    const Entry& entry = tables->entries[node->entry];
    if (is_lent(entry)) place.lent = entry.lent;
  }
  return place;
}

Slot NodeTable::make_node(Tables& tables, NodeKind kind) {
  const Slot slot = tables.nodes.make();
  tables.nodes[slot].kind = kind;
  constexpr unsigned kSlotBits = 32;
  tables.nodes[slot].id = ids_.id_of(std::uint64_t{++tables.last_birth} << kSlotBits | slot);
  return slot;
}

Slot NodeTable::find_entry(Tables& tables, Slot parent, std::string_view name) {
  return tables.by_name.find(ByName::hash_of(parent, name), ByName{tables}, [&](Slot slot) {
    const Entry& entry = tables.entries[slot];
    return entry.parent == parent && entry.name.view() == name;
  });
}

Slot NodeTable::make_entry(Tables& tables, Slot parent, std::string_view name, Slot child) {
  // What can fail comes first: nothing is linked before all of it is there.
  Name own_name(name);
  tables.by_name.make_room(ByName{tables});
  const Slot slot = tables.entries.make();
  Entry& entry = tables.entries[slot];
  entry.name = std::move(own_name);
  entry.parent = parent;
  entry.child = child;
  entry.next_of_child = std::exchange(tables.nodes[child].entry, slot);
  if (entry.next_of_child != 0) tables.entries[entry.next_of_child].previous_of_child = slot;
  entry.next_below = std::exchange(tables.nodes[parent].child, slot);
  if (entry.next_below != 0) tables.entries[entry.next_below].previous_below = slot;
  tables.by_name.insert(slot, ByName{tables});
  tables.most = std::max(tables.most, tables.nodes.size() + tables.entries.size());
  return slot;
}

void NodeTable::erase_entry(Tables& tables, Slot slot) {
  const Entry& entry = tables.entries[slot];
  for (Cursor* cursor = tables.cursors; cursor != nullptr; cursor = cursor->next_) {
    if (cursor->at == slot) cursor->at = entry.next_below;
  }
  if (entry.previous_of_child != 0) {
    tables.entries[entry.previous_of_child].next_of_child = entry.next_of_child;
  } else {
    tables.nodes[entry.child].entry = entry.next_of_child;
  }
  if (entry.next_of_child != 0) {
    tables.entries[entry.next_of_child].previous_of_child = entry.previous_of_child;
  }
  if (!entry.is_former) tables.by_name.erase(slot, ByName{tables});
  if (entry.previous_below != 0) {
    tables.entries[entry.previous_below].next_below = entry.next_below;
  } else {
    tables.nodes[entry.parent].child = entry.next_below;
  }
  if (entry.next_below != 0) {
    tables.entries[entry.next_below].previous_below = entry.previous_below;
  }
  tables.uri_files.erase(slot);
  tables.entries.erase(slot);
}

Slot NodeTable::replace_entry(Tables& tables, Slot former, Slot child) {
  tables.by_name.erase(former, ByName{tables});
  tables.entries[former].is_former = true;
  const std::string_view name = tables.entries[former].name.view();  // stays where it is
  const Slot entry = make_entry(tables, tables.entries[former].parent, name, child);
  tables.entries[entry].lent = tables.entries[former].lent;
  tables.entries[entry].lent_until = tables.entries[former].lent_until;
  if (tables.uri_files.contains(former)) tables.uri_files.insert(entry);
  return entry;
}

/// A node that goes again, with its name, unless a lookup of it comes to be counted.
class NodeTable::NewNode {
 public:
  NewNode(Tables& tables, Slot slot) : tables_(tables), slot_(slot) {}
  ~NewNode() {
    if (tables_.nodes[slot_].lookups == 0) release(tables_, slot_);
  }
  NewNode(const NewNode&) = delete;
  NewNode& operator=(const NewNode&) = delete;

 private:
  Tables& tables_;
  const Slot slot_;
};

std::optional<NodeTable::Remembered> NodeTable::remember_own(NodeId parent, std::string_view name,
                                                             Own own, const Loan* loan) {
  auto tables = tables_.lock();
  const Slot folder = slot_of(*tables, parent);
  if (folder == 0) return std::nullopt;
  const Slot known = find_entry(*tables, folder, name);
  if (known != 0) {
    const Slot child = tables->entries[known].child;
    const Node& there = tables->nodes[child];
    const auto is_same_view = [&](const View& view) {
      return view.root == own.view->root && view.process == own.view->process;
    };
    const bool same = there.kind == own.kind && there.door == own.door &&
                      there.is_view == (own.view != nullptr) &&
                      (!there.is_view || is_same_view(*tables->view_at(child)));
    if (same) return count(*tables, known, child, loan);
  }
  const Slot node = make_node(*tables, own.kind);
  const NewNode guard(*tables, node);
  tables->nodes[node].door = own.door;
  if (own.view != nullptr) {
    auto& views = tables->views_like(*own.view);
    views.emplace(node, std::move(own.view));
    tables->nodes[node].is_view = true;
  }
  const Slot entry =
      known != 0 ? replace_entry(*tables, known, node) : make_entry(*tables, folder, name, node);
  return count(*tables, entry, node, loan);
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

std::chrono::nanoseconds NodeTable::fresh_left(const Node& node, const Found& now) const {
  constexpr auto kAlways = std::chrono::nanoseconds::max();
  if (node.last.changed != now.changed) return std::chrono::nanoseconds(0);
  if (node.last.settled) return kAlways;
  // Whatever is read by a node of a file that is settled by now, was read since it is.
  if (now.settled) return std::chrono::nanoseconds(0);
  const std::chrono::nanoseconds age(steady_nanoseconds() - node.made);
  return std::max(fresh_for_ - age, std::chrono::nanoseconds(0));
}

void NodeTable::retire(Tables& tables, Slot node) noexcept {
  if (!std::exchange(tables.nodes[node].is_current, false)) return;
  tables.by_file.erase(node, ByFile{tables});
}

Slot NodeTable::find_shared(Tables& tables, const Found& found, NodeId& before) const {
  const Slot node = tables.by_file.find(ByFile::hash_of(found.id), ByFile{tables}, [&](Slot slot) {
    return tables.nodes[slot].last.id == found.id;
  });
  if (node == 0 || fresh_left(tables.nodes[node], found).count() > 0) return node;
  before = id_of(tables, node);
  retire(tables, node);
  return 0;
}

std::optional<NodeTable::Remembered> NodeTable::remember(NodeId parent, std::string_view name,
                                                         const Located& located, FileNode whose,
                                                         const Loan* loan) {
  auto tables = tables_.lock();
  const Slot folder = slot_of(*tables, parent);
  if (folder == 0) return std::nullopt;
  const Found& found = located.found;
  const NodeKind kind = found.type == Found::Type::kFile ? NodeKind::kFile : NodeKind::kFolder;
  const bool is_file = kind == NodeKind::kFile;
  const bool shared = whose == FileNode::kShared && is_file;

  Slot entry = find_entry(*tables, folder, name);
  Slot node = entry != 0 ? tables->entries[entry].child : 0;
  NodeId before = 0;
  if (node != 0) {
    // A folder is known by its path; a file by which file it is.
    const Node& there = tables->nodes[node];
    const bool same = there.kind == kind && (!is_file || there.last.id == found.id);
    const bool is_fresh =
        !is_file || whose == FileNode::kOfName || fresh_left(there, found).count() > 0;
    if (same && !is_fresh && !shared) before = id_of(*tables, node);
    if (!same || !is_fresh) node = 0;
  }
  if (node == 0 && shared) node = find_shared(*tables, found, before);
  std::optional<NewNode> guard;
  if (node == 0) {
    if (shared) tables->by_file.make_room(ByFile{*tables});
    node = make_node(*tables, kind);
    guard.emplace(*tables, node);
    Node& made = tables->nodes[node];
    made.last = found;
    if (is_file) {
      made.handle = located.handle;
      made.seen_changed = found.changed;
      made.made = steady_nanoseconds();
    }
    if (shared) {
      made.is_shared = made.is_current = true;
      tables->by_file.insert(node, ByFile{*tables});
    }
  } else {
    const bool settled = tables->nodes[node].last.settled;
    tables->nodes[node].last = found;
    tables->nodes[node].last.settled = settled;
  }
  if (entry == 0) {
    entry = make_entry(*tables, folder, name, node);
  } else if (tables->entries[entry].child != node) {
    entry = replace_entry(*tables, entry, node);
  }
  Remembered remembered = count(*tables, entry, node, loan);
  if (is_file && whose != FileNode::kOfName) {
    remembered.fresh_for = fresh_left(tables->nodes[node], found);
  }
  remembered.before = before;
  return remembered;
}

bool NodeTable::note_change(NodeId id, const Found& now) {
  auto tables = tables_.lock();
  const Slot slot = slot_of(*tables, id);
  if (slot == 0) return false;
  Node& node = tables->nodes[slot];
  if (node.seen_changed == now.changed) return false;
  if (now.settled) node.seen_changed = now.changed;
  return true;
}

NodeTable::Remembered NodeTable::count(Tables& tables, Slot entry, Slot node, const Loan* loan) {
  const bool lent = lend(tables, entry, loan);  // first: it can fail
  ++tables.nodes[node].lookups;
  return {id_of(tables, node), lent, note_use(tables.entries[entry]),
          holds_steady(tables.nodes[node])};
}

NodeTable::Forgotten NodeTable::forget(NodeId id, std::uint64_t count) {
  auto tables = tables_.lock();
  const Slot slot = slot_of(*tables, id);
  if (slot == 0 || id == kRootNode) return {};
  std::uint64_t& lookups = tables->nodes[slot].lookups;
  lookups -= std::min(lookups, count);
  if (lookups > 0) return {};
  Turns turns(tables);
  forget_below(turns, *tables, id);
  forget_names(turns, *tables, id);
  constexpr std::size_t kMany = 5'000;
  const std::size_t left = tables->nodes.size() + tables->entries.size();
  const bool much = tables->most > kMany && left < tables->most / 4;
  if (much) shrink(*tables);
  return {slot_of(*tables, id) == 0, much};
}

void NodeTable::shrink(Tables& tables) noexcept {
  tables.most = tables.nodes.size() + tables.entries.size();
  try {
    tables.views.rehash(0);
    tables.uri_views.rehash(0);
    tables.uri_files.rehash(0);
  } catch (const std::bad_alloc&) {
    return;  // as they are, they work too
  }
}

void NodeTable::forget_below(Turns& turns, Tables& tables, NodeId folder) const {
  // An entry pins its folder in the kernel: without the folder, there are no entries. Those of
  // nodes that other folders share would keep the folder here as long as the file is known.
  Cursor next(tables, tables.nodes[slot_of(tables, folder)].child);
  while (next.at != 0) {
    if (turns.next()) {
      // Somebody may have looked the folder up again, and names in it.
      const Slot slot = slot_of(tables, folder);
      if (slot == 0 || tables.nodes[slot].lookups > 0) return;
    }
    const Slot entry = next.take();
    if (entry != 0 && tables.nodes[tables.entries[entry].child].is_shared) {
      erase_entry(tables, entry);
    }
  }
}

void NodeTable::forget_names(Turns& turns, Tables& tables, NodeId id) const {
  while (const Slot slot = slot_of(tables, id)) {
    const Node& node = tables.nodes[slot];
    if (node.lookups > 0 || node.child != 0) return;
    if (node.entry == 0) return erase_node(tables, slot);
    const Slot folder = tables.entries[node.entry].parent;
    erase_entry(tables, node.entry);
    // A node with several entries is a shared file, and in as many folders: one at a time.
    if (node.entry == 0) erase_node(tables, slot);
    release(tables, folder);
    turns.next();
  }
}

void NodeTable::erase_node(Tables& tables, Slot slot) noexcept {
  const Node& node = tables.nodes[slot];
  retire(tables, slot);
  if (node.is_view && tables.views.erase(slot) == 0) tables.uri_views.erase(slot);
  tables.nodes.erase(slot);
}

void NodeTable::release(Tables& tables, Slot slot) noexcept {
  while (slot != 0) {
    const Node* node = tables.nodes.find(slot);
    if (node == nullptr || node->lookups > 0 || node->child != 0) return;
    Slot above = 0;
    while (node->entry != 0) {
      if (above != 0) release(tables, above);
      above = tables.entries[node->entry].parent;
      erase_entry(tables, node->entry);
    }
    erase_node(tables, slot);
    slot = above;
  }
}

bool NodeTable::look_again(NodeId id, bool changed) {
  auto tables = tables_.lock();
  const Slot slot = slot_of(*tables, id);
  if (slot == 0) return false;
  Node& node = tables->nodes[slot];
  node.looks_again = changed && !node.looks_again;
  return node.looks_again;
}

std::size_t NodeTable::size() {
  return tables_.lock()->nodes.size();
}

}  // namespace grantfs
