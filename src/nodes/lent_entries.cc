// LentEntries, the part of a NodeTable that remembers what was lent; see lent_entries.h.
#include <algorithm>
#include <tuple>
#include <utility>

#include "base/keyed_hash.h"
#include "nodes/lent_entries.h"

namespace grantfs {
namespace {

/// Calls `take(entry)` for each entry directly in a folder; others have turns in between.
template <class Take>
void for_each_in(LockedGraph::Lock& graph, Slot folder, Take take) {
  Turns turns(graph);
  NodeGraph::Cursor next(*graph, graph->nodes[folder].child);
  while (next.at != 0) {
    turns.next();
    const Slot slot = next.take();
    if (slot == 0) return;
    take(graph->entries[slot]);
  }
}

}  // namespace

bool LentEntries::lend(NodeGraph& graph, Slot slot, const Loan* loan) const {
  if (loan == nullptr || loan->mark != recalls_.load()) return false;
  // The entry, or one below it, was lent by a decision that was better than this one: a recall is
  // due.
  const GraphEntry& entry = graph.entries[slot];
  if (is_lent(entry) && entry.lent > std::max(loan->decision.access, Access::kNone)) return false;
  mark_lent(graph.entries[slot], loan->decision.access, lent_for_);
  rest_on(graph, slot, *loan, lent_for_);
  return true;
}

bool LentEntries::lend_for(const KernelEntry& key, const Loan& loan,
                           std::chrono::seconds lent_for) {
  auto graph = graph_.lock();
  const Slot folder = graph->slot_of(key.parent);
  if (folder == 0 || loan.mark != recalls_.load()) return false;
  const Slot slot = graph->find_entry(folder, key.name);
  if (slot == 0) return false;
  mark_lent(graph->entries[slot], loan.decision.access, lent_for);
  rest_on(*graph, slot, loan, lent_for);
  return true;
}

bool LentEntries::holds_steady(const NodeGraph& graph, Slot folder) {
  if (!graph.nodes[folder].held_steady) return false;
  return steady_seconds() <= graph.steady_folders.at(folder).until;
}

bool LentEntries::hold_steady(NodeId folder, std::chrono::seconds lease,
                              std::chrono::seconds lent_for) {
  auto graph = graph_.lock();
  const Slot slot = graph->slot_of(folder);
  if (slot == 0) return false;
  const std::uint32_t now = steady_seconds();
  const bool held_before = holds_steady(*graph, slot);
  NodeGraph::SteadySpan& span = graph->steady_folders[slot];
  graph->nodes[slot].held_steady = true;
  if (!held_before) span.since = now;
  span.until = now + static_cast<std::uint32_t>(lent_for.count());
  return std::chrono::seconds{now - span.since} > lease;
}

bool LentEntries::is_lent(const GraphEntry& entry) {
  return entry.lent != Access::kClosed && steady_seconds() <= entry.lent_until;
}

void LentEntries::mark_lent(GraphEntry& entry, Access access, std::chrono::seconds lent_for) {
  // A door is lent even where there is nothing behind it.
  access = std::max(access, Access::kNone);
  const bool lent = is_lent(entry);
  const auto until = steady_seconds() + static_cast<std::uint32_t>(lent_for.count());
  entry.lent = lent ? std::max(entry.lent, access) : access;
  entry.lent_until = lent ? std::max(entry.lent_until, until) : until;
}

void LentEntries::rest_on(NodeGraph& graph, Slot slot, const Loan& loan,
                          std::chrono::seconds lent_for) {
  const Decision& decision = loan.decision;
  if (loan.expires_soon && decision.until) {
    GraphEntry& entry = graph.entries[slot];
    const auto until = static_cast<std::uint32_t>(decision.until->time_since_epoch().count());
    if (!entry.is_listed || entry.listed_until != until) {
      entry.is_listed = true;
      entry.listed_until = until;
      graph.expiring.emplace(*decision.until, graph.key_of(entry));
    }
  }
  if (decision.access < Access::kPassage) return;
  if (decision.access == Access::kPassage) return graph.rest_on(slot, decision.rule);
  const bool is_door = graph.nodes[graph.entries[slot].child].is_view;
  const auto [view, known] =
      graph.place_of(is_door ? graph.entries[slot].child : graph.entries[slot].parent);
  if (view != nullptr && view->traits.is_of_uris) {
    lead_to_uri(graph, slot);
    return graph.rest_on(slot, decision.rule);
  }
  // All entries from the rule's path down to here are readable by the same rule, whatever the
  // decision was when they were looked up. The highest of them stands for all when the rule is
  // lost, because it is lent for as long as any of them.
  std::size_t bytes =
      (is_door ? known : known.child(graph.entries[slot].name.view())).text().size();
  Slot highest = slot;
  while (bytes >= decision.rule_path_bytes) {
    GraphEntry& entry = graph.entries[slot];
    mark_lent(entry, Access::kRead, lent_for);
    highest = slot;
    if (graph.nodes[entry.child].is_view) break;
    bytes -= std::min(bytes, entry.name.view().size() + 1);
    slot = graph.nodes[entry.parent].entry;
  }
  graph.rest_on(highest, decision.rule);
}

void LentEntries::lead_to_uri(NodeGraph& graph, Slot file) {
  graph.uri_files.insert(file);
  for (Slot slot = file; slot != 0; slot = graph.nodes[graph.entries[slot].parent].entry) {
    graph.entries[slot].leads_to_uri = true;
    if (graph.nodes[graph.entries[slot].child].is_view) break;  // the door
  }
}

bool LentEntries::leads_to_uri(NodeId parent, std::string_view name) {
  auto graph = graph_.lock();
  const Slot folder = graph->slot_of(parent);
  if (folder == 0) return false;
  const Slot slot = graph->find_entry(folder, name);
  return slot != 0 && graph->entries[slot].leads_to_uri;
}

LentEntry LentEntries::copy(const NodeGraph& graph, const GraphEntry& entry,
                            const ViewPointer& view, const StorePath& path) {
  return {graph.key_of(entry), view, path, entry.lent, graph.id_of(entry.child)};
}

std::optional<LentEntry> LentEntries::with_place(NodeGraph& graph, const GraphEntry& entry) {
  const bool is_door = graph.nodes[entry.child].is_view;
  const auto [view, path] = graph.place_of(is_door ? entry.child : entry.parent);
  if (view == nullptr) return std::nullopt;
  return copy(graph, entry, view, is_door ? path : path.child(entry.name.view()));
}

void LentEntries::sort_folders_first(std::vector<LentEntry>& entries) {
  std::ranges::stable_sort(
      entries, {}, [](const LentEntry& lent) { return std::tuple(lent.view.get(), lent.path); });
}

std::vector<LentEntry> LentEntries::take_resting_on(RuleHash rule, std::size_t most) {
  std::vector<LentEntry> taken;
  auto graph = graph_.lock();
  Turns turns(graph);
  // Lookups may add newer ones meanwhile, which need no second look: they were decided later.
  for (std::size_t left = graph->by_rule.size(); left > 0 && taken.size() <= most; --left) {
    turns.next();
    const Slot slot = graph->by_rule.oldest(rule);
    if (slot == 0) break;
    graph->rest_on(slot, 0);
    const GraphEntry& entry = graph->entries[slot];
    if (!is_lent(entry)) continue;
    if (auto lent = with_place(*graph, entry)) taken.push_back(std::move(*lent));
  }
  sort_folders_first(taken);
  return taken;
}

std::vector<LentEntry> LentEntries::lent_in(LockedGraph::Lock& graph,
                                            const std::vector<NodeId>& roots, std::size_t most) {
  std::vector<LentEntry> found;
  Turns turns(graph);
  for (const NodeId id : roots) {
    if (found.size() > most) break;
    turns.next();
    const Slot root = graph->slot_of(id);
    if (root == 0) continue;
    const ViewPointer view = graph->view_at(root);
    if (const Slot door = graph->nodes[root].entry; door != 0 && is_lent(graph->entries[door])) {
      found.push_back(copy(*graph, graph->entries[door], view, view->root));
    }
    add_below(turns, *graph, root, {view, view->root, Collect::kLeave, most}, found);
  }
  return found;
}

std::vector<LentEntry> LentEntries::lent_in_views_of(const TokenHash& token, std::size_t most) {
  auto graph = graph_.lock();
  return lent_in(graph, graph->ids_of(graph->views_by_token, keyed_hash(token.hex())), most);
}

std::vector<LentEntry> LentEntries::lent_in_views_of(const Principal& principal, std::size_t most) {
  auto graph = graph_.lock();
  return lent_in(graph, graph->ids_of(graph->views_by_principal, keyed_hash(principal.text())),
                 most);
}

std::vector<LentEntry> LentEntries::lent_in_views(std::size_t most) {
  const std::vector<NodeId> roots = roots_of_views_for_servers();
  auto graph = graph_.lock();
  return lent_in(graph, roots, most);
}

std::vector<LentEntry> LentEntries::lent_files_of_uris() {
  std::vector<LentEntry> found;
  auto graph = graph_.lock();
  for (const Slot slot : graph->uri_files) {
    const GraphEntry& entry = graph->entries[slot];
    if (!is_lent(entry) || entry.lent != Access::kRead) continue;
    if (auto lent = with_place(*graph, entry)) found.push_back(std::move(*lent));
  }
  return found;
}

void LentEntries::add_below(Turns& turns, NodeGraph& graph, Slot folder, const Below& below,
                            std::vector<LentEntry>& found) {
  // A name that is looked up while others have the lock was decided after the recall began, or is
  // not lent. A name that goes meanwhile, the kernel has forgotten.
  NodeGraph::Cursor next(graph, graph.nodes[folder].child);
  while (next.at != 0 && found.size() <= below.most) {
    turns.next();
    const Slot slot = next.take();
    if (slot == 0) return;
    GraphEntry& entry = graph.entries[slot];
    const Below at{below.view, below.path.child(entry.name.view()), below.collect, below.most};
    if (is_lent(entry)) found.push_back(copy(graph, entry, at.view, at.path));
    if (below.collect == Collect::kTakeBack) entry.lent = Access::kClosed;
    if (graph.nodes[entry.child].kind == NodeKind::kFolder) {
      add_below(turns, graph, entry.child, at, found);
    }
  }
}

std::vector<KernelEntry> LentEntries::take_back(const LentEntry& top) {
  std::vector<LentEntry> found;
  {
    auto graph = graph_.lock();
    const Slot parent = graph->slot_of(top.entry.parent);
    const Slot entry = parent == 0 ? 0 : graph->find_entry(parent, top.entry.name);
    if (entry != 0) graph->entries[entry].lent = Access::kClosed;
    const Slot folder = graph->slot_of(top.leads_to);
    if (folder == 0) return {};
    Turns turns(graph);
    const ViewPointer none;
    add_below(turns, *graph, folder, {none, StorePath(), Collect::kTakeBack}, found);
  }
  std::vector<KernelEntry> keys;
  keys.reserve(found.size());
  for (LentEntry& each : found) keys.push_back(std::move(each.entry));
  return keys;
}

std::vector<KernelEntry> LentEntries::all_lent() {
  std::vector<KernelEntry> doors;
  std::vector<KernelEntry> folders;
  std::vector<KernelEntry> files;
  auto graph = graph_.lock();
  Turns turns(graph);
  for (Slot slot = 1; slot < graph->entries.end(); ++slot) {
    turns.next();
    const GraphEntry* entry = graph->entries.find(slot);
    // This includes entries that were taken back a moment ago: the kernel may not have been told
    // yet.
    if (entry == nullptr || steady_seconds() > entry->lent_until) continue;
    const GraphNode& child = graph->nodes[entry->child];
    const bool is_folder = child.kind == NodeKind::kFolder;
    auto& of_its_kind = child.is_view ? doors : is_folder ? folders : files;
    of_its_kind.push_back(graph->key_of(*entry));
  }
  std::ranges::move(folders, std::back_inserter(doors));
  std::ranges::move(files, std::back_inserter(doors));
  return doors;
}

std::vector<LentEntry> LentEntries::take_expired(Timestamp now) {
  std::vector<LentEntry> taken;
  auto graph = graph_.lock();
  Turns turns(graph);
  while (!graph->expiring.empty() && graph->expiring.begin()->first <= now) {
    if (turns.next()) continue;
    const auto listed = graph->expiring.extract(graph->expiring.begin());
    const KernelEntry& key = listed.mapped();
    const Slot folder = graph->slot_of(key.parent);
    const Slot slot = folder == 0 ? 0 : graph->find_entry(folder, key.name);
    if (slot == 0) continue;
    GraphEntry& entry = graph->entries[slot];
    entry.is_listed = false;
    if (!is_lent(entry)) continue;
    if (auto lent = with_place(*graph, entry)) taken.push_back(std::move(*lent));
  }
  sort_folders_first(taken);
  return taken;
}

Expiry LentEntries::next_expiry() {
  auto graph = graph_.lock();
  if (graph->expiring.empty()) return std::nullopt;
  return graph->expiring.begin()->first;
}

void LentEntries::rest_on(const KernelEntry& entry, const Loan& loan, std::chrono::seconds left) {
  auto graph = graph_.lock();
  const Slot folder = graph->slot_of(entry.parent);
  if (folder == 0) return;
  const Slot slot = graph->find_entry(folder, entry.name);
  if (slot == 0) return;
  const std::uint32_t until = graph->entries[slot].lent_until;
  const std::chrono::seconds own{until - std::min(until, steady_seconds())};
  rest_on(*graph, slot, loan, std::max(own, left));
}

std::vector<NodeId> LentEntries::roots_of_views_for_servers() {
  std::vector<NodeId> roots;
  auto graph = graph_.lock();
  Turns turns(graph);
  // What becomes a view while others have the lock, was decided later.
  for (Slot slot = 1; slot < graph->nodes.end(); ++slot) {
    turns.next();
    const GraphNode* const node = graph->nodes.find(slot);
    if (node == nullptr || !node->is_view) continue;
    const ViewTraits& traits = graph->view_at(slot)->traits;
    if (traits.may_be_lent && !traits.is_of_uris) roots.push_back(node->id);
  }
  return roots;
}

std::optional<LentEntry> LentEntries::leading_to(NodeId folder) {
  auto graph = graph_.lock();
  const Slot slot = graph->slot_of(folder);
  if (slot == 0) return std::nullopt;
  const GraphNode& node = graph->nodes[slot];
  if (node.kind != NodeKind::kFolder || node.entry == 0) return std::nullopt;
  const GraphEntry& entry = graph->entries[node.entry];
  auto lent = with_place(*graph, entry);
  if (lent && !is_lent(entry)) lent->lent = Access::kClosed;
  return lent;
}

std::vector<KernelEntry> LentEntries::leading_to(NodeId node, NodeId folder) {
  std::vector<KernelEntry> keys;
  auto graph = graph_.lock();
  const Slot above = graph->slot_of(folder);
  const Slot below = graph->slot_of(node);
  if (above == 0 || below == 0) return keys;
  if (!graph->nodes[below].is_shared) {  // it has one entry, if any
    const Slot slot = graph->nodes[below].entry;
    if (slot != 0) keys.push_back(graph->key_of(graph->entries[slot]));
    return keys;
  }
  for_each_in(graph, above, [&](const GraphEntry& entry) {
    if (graph->id_of(entry.child) == node) keys.push_back(graph->key_of(entry));
  });
  return keys;
}

std::optional<LentEntry> LentEntries::lent_by(const KernelEntry& key) {
  auto graph = graph_.lock();
  const Slot folder = graph->slot_of(key.parent);
  const Slot slot = folder == 0 ? 0 : graph->find_entry(folder, key.name);
  if (slot == 0 || !is_lent(graph->entries[slot])) return std::nullopt;
  return with_place(*graph, graph->entries[slot]);
}

LentEntries::LentIn LentEntries::lent_directly_in(NodeId folder) {
  LentIn in;
  auto graph = graph_.lock();
  const Slot above = graph->slot_of(folder);
  if (above == 0) return in;
  const auto [view, path] = graph->place_of(above);
  if (view == nullptr) return in;
  for_each_in(graph, above, [&, &view = view, &path = path](const GraphEntry& entry) {
    if (graph->nodes[entry.child].kind == NodeKind::kFolder) {
      in.folders.push_back(graph->id_of(entry.child));
    } else if (is_lent(entry)) {
      in.files.push_back(copy(*graph, entry, view, path.child(entry.name.view())));
    }
  });
  return in;
}

}  // namespace grantfs
