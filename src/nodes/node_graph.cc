#include "nodes/node_graph.h"

#include <algorithm>
#include <new>

#include "base/keyed_hash.h"
#include "nodes/node_graph_index.h"

namespace grantfs {
namespace {

/// The token that an identity rests on; null if it rests on none.
const TokenHash* token_of(const Identity& identity) {
  if (const auto* bearer = std::get_if<SessionBearer>(&identity)) return &bearer->session;
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) return &bearer->link;
  return nullptr;
}

}  // namespace

NodeGraph::NodeGraph() {
  const Slot root = nodes.make();  // slot 1: FUSE_ROOT_ID
  nodes[root].lookups = 1;         // the kernel's own, never forgotten
}

Slot NodeGraph::slot_of(NodeId id) {
  const auto slot = static_cast<Slot>(ids_.number_of(id));
  const GraphNode* node = nodes.find(slot);
  return node != nullptr && node->id == id ? slot : 0;
}

NodeGraph::Cursor::~Cursor() {
  Cursor** link = &graph_.cursors_;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
}

Slot NodeGraph::make_node(NodeKind kind) {
  const Slot slot = nodes.make();
  nodes[slot].kind = kind;
  constexpr unsigned kSlotBits = 32;
  nodes[slot].id = ids_.id_of(std::uint64_t{++last_birth_} << kSlotBits | slot);
  return slot;
}

Slot NodeGraph::find_entry(Slot parent, std::string_view name) {
  return by_name_.find(ByName::hash_of(parent, name), ByName{*this}, [&](Slot slot) {
    const GraphEntry& entry = entries[slot];
    return entry.parent == parent && entry.name.view() == name;
  });
}

Slot NodeGraph::make_entry(Slot parent, std::string_view name, Slot child) {
  // What can fail comes first: nothing is linked before all of it is there.
  ShortBytes own_name(name);
  by_name_.make_room(ByName{*this});
  const Slot slot = entries.make();
  GraphEntry& entry = entries[slot];
  entry.name = std::move(own_name);
  entry.parent = parent;
  entry.child = child;
  entry.next_of_child = std::exchange(nodes[child].entry, slot);
  if (entry.next_of_child != 0) entries[entry.next_of_child].previous_of_child = slot;
  entry.next_below = std::exchange(nodes[parent].child, slot);
  if (entry.next_below != 0) entries[entry.next_below].previous_below = slot;
  by_name_.insert(slot, ByName{*this});
  most_ = std::max(most_, nodes.size() + entries.size());
  return slot;
}

void NodeGraph::erase_entry(Slot slot) {
  const GraphEntry& entry = entries[slot];
  for (Cursor* cursor = cursors_; cursor != nullptr; cursor = cursor->next_) {
    if (cursor->at == slot) cursor->at = entry.next_below;
  }
  if (entry.previous_of_child != 0) {
    entries[entry.previous_of_child].next_of_child = entry.next_of_child;
  } else {
    nodes[entry.child].entry = entry.next_of_child;
  }
  if (entry.next_of_child != 0) {
    entries[entry.next_of_child].previous_of_child = entry.previous_of_child;
  }
  if (!entry.is_former) by_name_.erase(slot, ByName{*this});
  if (entry.previous_below != 0) {
    entries[entry.previous_below].next_below = entry.next_below;
  } else {
    nodes[entry.parent].child = entry.next_below;
  }
  if (entry.next_below != 0) {
    entries[entry.next_below].previous_below = entry.previous_below;
  }
  uri_files.erase(slot);
  by_rule.remove(entry.rests);
  entries.erase(slot);
}

Slot NodeGraph::replace_entry(Slot former, Slot child) {
  by_name_.erase(former, ByName{*this});
  entries[former].is_former = true;
  const std::string_view name = entries[former].name.view();  // stays where it is
  const Slot entry = make_entry(entries[former].parent, name, child);
  entries[entry].lent = entries[former].lent;
  entries[entry].lent_until = entries[former].lent_until;
  if (const auto rests = entries[former].rests) rest_on(entry, by_rule.group_of(rests));
  if (uri_files.contains(former)) uri_files.insert(entry);
  return entry;
}

void NodeGraph::erase_node(Slot slot) noexcept {
  const GraphNode& node = nodes[slot];
  retire(slot);
  if (node.is_view) erase_view(slot);
  if (node.held_steady) steady_folders.erase(slot);
  nodes.erase(slot);
}

void NodeGraph::erase_view(Slot root) noexcept {
  if (uri_views.erase(root) > 0) return;
  const auto found = views.find(root);
  views_by_token.remove(found->second.by_token);
  views_by_principal.remove(found->second.by_principal);
  views.erase(found);
}

void NodeGraph::release(Slot slot) noexcept {
  while (slot != 0) {
    const GraphNode* node = nodes.find(slot);
    if (node == nullptr || node->lookups > 0 || node->child != 0) return;
    Slot above = 0;
    while (node->entry != 0) {
      if (above != 0) release(above);
      above = entries[node->entry].parent;
      erase_entry(node->entry);
    }
    erase_node(slot);
    slot = above;
  }
}

void NodeGraph::retire(Slot node) noexcept {
  if (!nodes[node].is_current) return;
  nodes[node].is_current = false;
  by_file_.erase(node, ByFile{*this});
}

std::pair<ViewPointer, StorePath> NodeGraph::place_of(Slot slot) {
  names_.clear();
  while (!nodes[slot].is_view) {
    const Slot entry = nodes[slot].entry;
    if (entry == 0) return {};  // outside the views, or without a name by now
    names_.push_back(entries[entry].name.view());
    slot = entries[entry].parent;
  }
  const ViewPointer& view = view_at(slot);
  return {view, StorePath::join(names_.rbegin(), names_.rend()).below(view->root)};
}

std::vector<std::string> NodeGraph::way_to(Slot slot) const {
  std::vector<std::string> names;
  for (; nodes[slot].entry != 0; slot = entries[nodes[slot].entry].parent) {
    names.emplace_back(entries[nodes[slot].entry].name.view());
  }
  std::ranges::reverse(names);
  return names;
}

void NodeGraph::make_view(Slot node, ViewPointer view) {
  RootOfView& root = (view->traits.is_of_uris ? uri_views : views)[node];
  root.view = std::move(view);
  nodes[node].is_view = true;
  const View& made = *root.view;
  if (!made.traits.may_be_lent || made.traits.is_of_uris) return;
  if (const TokenHash* const token = token_of(made.identity)) {
    root.by_token = views_by_token.add(keyed_hash(token->hex()), node);
  }
  if (made.principal) {
    root.by_principal = views_by_principal.add(keyed_hash(made.principal->text()), node);
  }
}

void NodeGraph::rest_on(Slot slot, RuleHash rule) {
  GraphEntry& entry = entries[slot];
  if (entry.rests != 0 && by_rule.group_of(entry.rests) == rule) return;
  const auto rests = rule == 0 ? 0 : by_rule.add(rule, slot);
  by_rule.remove(std::exchange(entry.rests, rests));
}

const ViewPointer& NodeGraph::view_at(Slot root) const {
  const auto found = views.find(root);
  return found != views.end() ? found->second.view : uri_views.at(root).view;
}

std::vector<NodeId> NodeGraph::ids_of(const SlotGroups& groups, std::uint64_t group) const {
  std::vector<NodeId> ids;
  groups.each(group, [&](Slot node) { ids.push_back(id_of(node)); });
  return ids;
}

Slot NodeGraph::find_shared(const FileId& id) {
  return by_file_.find(ByFile::hash_of(id), ByFile{*this},
                       [&](Slot slot) { return nodes[slot].last.id == id; });
}

void NodeGraph::make_room_for_shared() {
  by_file_.make_room(ByFile{*this});
}

void NodeGraph::share(Slot node) {
  nodes[node].is_shared = nodes[node].is_current = true;
  by_file_.insert(node, ByFile{*this});
}

bool NodeGraph::shrink_if_much_has_gone() noexcept {
  constexpr std::size_t kMany = 5'000;
  const std::size_t left = nodes.size() + entries.size();
  if (most_ <= kMany || left >= most_ / 4) return false;
  most_ = left;
  try {
    views.rehash(0);
    uri_views.rehash(0);
    uri_files.rehash(0);
    steady_folders.rehash(0);
  } catch (const std::bad_alloc&) {
    return true;  // as they are, they work too
  }
  return true;
}

void NodeGraph::check() {
#ifndef NDEBUG
  for (Slot slot = 1; slot < entries.end(); ++slot) {
    const GraphEntry* const entry = entries.find(slot);
    if (entry == nullptr) continue;
    const GraphNode* const parent = nodes.find(entry->parent);
    const GraphNode* const child = nodes.find(entry->child);
    assert(parent != nullptr && "an entry is in a node that there is");
    assert(child != nullptr && "an entry leads to a node that there is");
    assert(parent->kind == NodeKind::kDoor || parent->kind == NodeKind::kFolder);
    const auto leads_back = [&](Slot previous, Slot first, Slot GraphEntry::*next) {
      return previous == 0 ? first == slot : entries[previous].*next == slot;
    };
    assert(leads_back(entry->previous_below, parent->child, &GraphEntry::next_below));
    assert(leads_back(entry->previous_of_child, child->entry, &GraphEntry::next_of_child));
    assert(entry->next_below == 0 || entries[entry->next_below].parent == entry->parent);
    assert(entry->next_of_child == 0 || entries[entry->next_of_child].child == entry->child);
    const Slot by_name = find_entry(entry->parent, entry->name.view());
    assert((entry->is_former || by_name == slot) && "a name leads to its entry");
    assert((entry->rests == 0 || by_rule.slot_at(entry->rests) == slot) && "a place is its own");
  }
  for (Slot slot = 1; slot < nodes.end(); ++slot) {
    const GraphNode* const node = nodes.find(slot);
    if (node == nullptr) continue;
    const bool is_root = node->id == kRootNode;
    assert((is_root || node->lookups > 0 || node->child != 0) && "a node is held by something");
    assert(slot_of(node->id) == slot && "an id leads to its node");
    const bool has_one_entry = node->entry == 0 || entries[node->entry].next_of_child == 0;
    assert((node->kind == NodeKind::kFile || has_one_entry) && "a folder has one entry");
    assert(node->held_steady == steady_folders.contains(slot));
    assert(node->is_view == (views.contains(slot) || uri_views.contains(slot)));
    assert((!node->is_current || find_shared(node->last.id) == slot) && "a file is shared once");
  }
  for (const Slot file : uri_files) assert(entries.find(file) != nullptr);
#endif
}

}  // namespace grantfs
