#include "tree/node_table.h"

#include <algorithm>
#include <functional>

#include "tree/node_table_index.h"

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
  const Slot root = tables->nodes.make();  // slot 1, birth 0: FUSE_ROOT_ID
  tables->nodes[root].lookups = 1;         // the kernel's own, never forgotten
}

NodeId NodeTable::id_of(const Tables& tables, Slot slot) {
  constexpr unsigned kSlotBits = 32;
  return static_cast<NodeId>(tables.nodes[slot].birth) << kSlotBits | slot;
}

NodeTable::Node* NodeTable::node_of(Tables& tables, NodeId id) {
  Node* node = tables.nodes.find(slot_of(id));
  return node != nullptr && id_of(tables, slot_of(id)) == id ? node : nullptr;
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

std::optional<Address> NodeTable::address_of(const Tables& tables, Slot slot) {
  for (; tables.nodes[slot].entry != 0; slot = tables.entries[tables.nodes[slot].entry].parent) {
    if (tables.nodes[slot].kind != NodeKind::kAddress) continue;
    auto address = Address::parse(tables.entries[tables.nodes[slot].entry].name.view());
    if (address) return *address;
  }
  return std::nullopt;
}

std::optional<Place> NodeTable::find(NodeId id) {
  auto tables = tables_.lock();
  const Node* node = node_of(*tables, id);
  if (node == nullptr) return std::nullopt;
  Place place{id,           node->kind,   nullptr,    StorePath(),
              std::nullopt, std::nullopt, node->last, node->handle};
  if (!node->is_shared) std::tie(place.view, place.path) = place_of(*tables, slot_of(id));
  if (place.view == nullptr) place.from = address_of(*tables, slot_of(id));
  place.holds_steady = holds_steady(*node);
  if (node->kind == NodeKind::kFolder && node->entry != 0) {
    const Entry& entry = tables->entries[node->entry];
    if (is_lent(entry)) place.lent = entry.lent;
  }
  if (place.kind == NodeKind::kMd5Expiry || place.kind == NodeKind::kExpiredMd5Expiry) {
    place.expires = Md5Mark::parse_expires(tables->entries[node->entry].name.view());
  }
  return place;
}

Slot NodeTable::make_node(Tables& tables, NodeKind kind) {
  const Slot slot = tables.nodes.make();
  tables.nodes[slot].kind = kind;
  tables.nodes[slot].birth = ++tables.last_birth;
  tables.most = std::max(tables.most, tables.nodes.size());
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
  entry.next_below = std::exchange(tables.nodes[parent].child, slot);
  if (entry.next_below != 0) tables.entries[entry.next_below].previous_below = slot;
  tables.by_name.insert(slot, ByName{tables});
  return slot;
}

void NodeTable::erase_entry(Tables& tables, Slot slot) {
  const Entry& entry = tables.entries[slot];
  Slot* at = &tables.nodes[entry.child].entry;
  while (*at != slot) at = &tables.entries[*at].next_of_child;
  *at = entry.next_of_child;
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

std::optional<NodeTable::Remembered> NodeTable::remember_door(NodeId parent, std::string_view name,
                                                              NodeKind kind, ViewPointer view,
                                                              const Loan* loan) {
  auto tables = tables_.lock();
  if (node_of(*tables, parent) == nullptr) return std::nullopt;
  const Slot known = find_entry(*tables, slot_of(parent), name);
  if (known != 0) {
    const Slot child = tables->entries[known].child;
    const auto is_same_view = [&](const View& there) {
      return there.root == view->root && there.process == view->process;
    };
    const bool same = tables->nodes[child].kind == kind &&
                      (view == nullptr || is_same_view(*tables->view_at(child)));
    if (same) return count(*tables, known, child, loan);
  }
  const Slot node = make_node(*tables, kind);
  if (view != nullptr) {
    tables->nodes[node].is_view = true;
    auto& views = tables->views_like(*view);
    views.emplace(node, std::move(view));
  }
  const Slot entry = known != 0 ? replace_entry(*tables, known, node)
                                : make_entry(*tables, slot_of(parent), name, node);
  return count(*tables, entry, node, loan);
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
  if (node_of(*tables, parent) == nullptr) return std::nullopt;
  const Found& found = located.found;
  const NodeKind kind = found.type == Found::Type::kFile ? NodeKind::kFile : NodeKind::kFolder;
  const bool is_file = kind == NodeKind::kFile;
  const bool shared = whose == FileNode::kShared && is_file;

  Slot entry = find_entry(*tables, slot_of(parent), name);
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
  if (node == 0) {
    if (shared) tables->by_file.make_room(ByFile{*tables});
    node = make_node(*tables, kind);
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
    entry = make_entry(*tables, slot_of(parent), name, node);
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
  Node* node = node_of(*tables, id);
  if (node == nullptr || node->seen_changed == now.changed) return false;
  if (now.settled) node->seen_changed = now.changed;
  return true;
}

NodeTable::Remembered NodeTable::count(Tables& tables, Slot entry, Slot node, const Loan* loan) {
  ++tables.nodes[node].lookups;
  return {id_of(tables, node), lend(tables, entry, loan), note_use(tables.entries[entry]),
          holds_steady(tables.nodes[node])};
}

NodeTable::Forgotten NodeTable::forget(NodeId id, std::uint64_t count) {
  auto tables = tables_.lock();
  Node* node = node_of(*tables, id);
  if (node == nullptr || id == kRootNode) return {};
  node->lookups -= std::min(node->lookups, count);
  if (node->lookups > 0) return {};
  // An entry pins its folder in the kernel: without the folder, there are no entries. Those of
  // nodes that other folders share would keep the folder here as long as the file is known.
  for (Slot entry = node->child; entry != 0;) {
    const Slot next = tables->entries[entry].next_below;
    if (tables->nodes[tables->entries[entry].child].is_shared) erase_entry(*tables, entry);
    entry = next;
  }
  release(*tables, slot_of(id));
  constexpr std::size_t kMany = 50'000;
  const std::size_t left = tables->nodes.size();
  const bool much = tables->most > kMany && left < tables->most / 4;
  if (much) tables->most = left;
  return {node_of(*tables, id) == nullptr, much};
}

void NodeTable::release(Tables& tables, Slot slot) noexcept {
  while (slot != 0) {
    Node* node = tables.nodes.find(slot);
    if (node == nullptr || node->lookups > 0 || node->child != 0) return;
    Slot above = 0;
    while (node->entry != 0) {
      // A node with several entries is a shared file: the folders of the others have no more than
      // this to lose.
      if (above != 0) release(tables, above);
      above = tables.entries[node->entry].parent;
      erase_entry(tables, node->entry);
    }
    retire(tables, slot);
    if (node->is_view && tables.views.erase(slot) == 0) tables.uri_views.erase(slot);
    tables.nodes.erase(slot);
    slot = above;
  }
}

bool NodeTable::look_again(NodeId id, bool changed) {
  auto tables = tables_.lock();
  Node* node = node_of(*tables, id);
  if (node == nullptr) return false;
  node->looks_again = changed && !node->looks_again;
  return node->looks_again;
}

std::size_t NodeTable::size() {
  return tables_.lock()->nodes.size();
}

}  // namespace grantfs
