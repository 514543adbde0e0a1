// What NodeTable remembers of what was lent; see node_table.h.
#include <algorithm>
#include <tuple>
#include <utility>

#include "nodes/node_table.h"
#include "nodes/node_table_index.h"

namespace grantfs {
namespace {

/// The names of a path, outermost first.
std::vector<std::string_view> names_of(const StorePath& path) {
  std::vector<std::string_view> names;
  for (const std::string_view ancestor : path.self_and_ancestors()) {
    if (!ancestor.empty()) names.push_back(ancestor.substr(ancestor.rfind('/') + 1));
  }
  std::ranges::reverse(names);
  return names;
}

std::uint32_t steady_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return static_cast<std::uint32_t>(std::chrono::floor<std::chrono::seconds>(now).count());
}

}  // namespace

bool NodeTable::lend(Tables& tables, Slot slot, const Loan* loan) {
  if (loan == nullptr || loan->mark != recalls_.load()) return false;
  // What was lent with it, or below it, rests on more than there is by now: a recall is due.
  const Entry& entry = tables.entries[slot];
  if (is_lent(entry) && entry.lent > std::max(loan->decision.access, Access::kNone)) return false;
  mark_lent(tables.entries[slot], loan->decision.access, lent_for_);
  rest_on(tables, slot, *loan, lent_for_);
  return true;
}

bool NodeTable::lend_for(const KernelEntry& key, const Loan& loan, std::chrono::seconds lent_for) {
  auto tables = tables_.lock();
  const Slot folder = slot_of(*tables, key.parent);
  if (folder == 0 || loan.mark != recalls_.load()) return false;
  const Slot slot = find_entry(*tables, folder, key.name);
  if (slot == 0) return false;
  mark_lent(tables->entries[slot], loan.decision.access, lent_for);
  rest_on(*tables, slot, loan, lent_for);
  return true;
}

bool NodeTable::note_use(Entry& entry) const {
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

bool NodeTable::holds_steady(const Node& node) {
  return node.holds_steady_until != 0 && steady_seconds() <= node.holds_steady_until;
}

bool NodeTable::hold_steady(NodeId folder, std::chrono::seconds lease,
                            std::chrono::seconds lent_for) {
  auto tables = tables_.lock();
  const Slot slot = slot_of(*tables, folder);
  if (slot == 0) return false;
  Node& node = tables->nodes[slot];
  const std::uint32_t now = steady_seconds();
  if (!holds_steady(node)) node.holds_steady_since = now;
  node.holds_steady_until = now + static_cast<std::uint32_t>(lent_for.count());
  return std::chrono::seconds{now - node.holds_steady_since} > lease;
}

bool NodeTable::is_lent(const Entry& entry) {
  return entry.lent != Access::kClosed && steady_seconds() <= entry.lent_until;
}

void NodeTable::mark_lent(Entry& entry, Access access, std::chrono::seconds lent_for) {
  // A door is lent even where there is nothing behind it.
  access = std::max(access, Access::kNone);
  const bool lent = is_lent(entry);
  const auto until = steady_seconds() + static_cast<std::uint32_t>(lent_for.count());
  entry.lent = lent ? std::max(entry.lent, access) : access;
  entry.lent_until = lent ? std::max(entry.lent_until, until) : until;
}

void NodeTable::rest_on(Tables& tables, Slot slot, const Loan& loan,
                        std::chrono::seconds lent_for) {
  const Decision& decision = loan.decision;
  if (loan.expires_soon && decision.until) {
    Entry& entry = tables.entries[slot];
    const std::int64_t until = decision.until->time_since_epoch().count();
    if (entry.listed_until != until) {
      entry.listed_until = until;
      tables.expiring.emplace(*decision.until, key_of(tables, entry));
    }
  }
  if (decision.access != Access::kRead) return;
  const bool is_door = tables.nodes[tables.entries[slot].child].is_view;
  const auto [view, known] =
      place_of(tables, is_door ? tables.entries[slot].child : tables.entries[slot].parent);
  if (view != nullptr && view->traits.is_of_uris) return lead_to_uri(tables, slot);
  // Everything from the rule's path down to here is readable by the same rule, whatever it was
  // when it was looked up: whoever recalls that rule must find it so.
  std::size_t bytes =
      (is_door ? known : known.child(tables.entries[slot].name.view())).text().size();
  while (bytes >= decision.rule_path_bytes) {
    Entry& entry = tables.entries[slot];
    mark_lent(entry, Access::kRead, lent_for);
    if (tables.nodes[entry.child].is_view) break;
    bytes -= std::min(bytes, entry.name.view().size() + 1);
    slot = tables.nodes[entry.parent].entry;
  }
}

void NodeTable::lead_to_uri(Tables& tables, Slot file) {
  tables.uri_files.insert(file);
  for (Slot slot = file; slot != 0; slot = tables.nodes[tables.entries[slot].parent].entry) {
    tables.entries[slot].leads_to_uri = true;
    if (tables.nodes[tables.entries[slot].child].is_view) break;  // the door
  }
}

bool NodeTable::leads_to_uri(NodeId parent, std::string_view name) {
  auto tables = tables_.lock();
  const Slot folder = slot_of(*tables, parent);
  if (folder == 0) return false;
  const Slot slot = find_entry(*tables, folder, name);
  return slot != 0 && tables->entries[slot].leads_to_uri;
}

KernelEntry NodeTable::key_of(const Tables& tables, const Entry& entry) {
  return {id_of(tables, entry.parent), std::string(entry.name.view())};
}

LentEntry NodeTable::copy(const Tables& tables, const Entry& entry, const ViewPointer& view,
                          const StorePath& path) {
  return {key_of(tables, entry), view, path, entry.lent, id_of(tables, entry.child)};
}

std::vector<std::vector<LentEntry>> NodeTable::lent_along(const StorePath& path) {
  const std::vector<std::string_view> names = names_of(path);
  std::vector<std::vector<LentEntry>> chains;
  auto tables = tables_.lock();
  for (const auto& [root, view] : tables->views) {
    // Above the door of a link, whatever is lost leads to the door.
    if (!view->traits.may_be_lent || !(view->root.covers(path) || path.covers(view->root)))
      continue;
    std::vector<LentEntry> chain;
    StorePath at = view->root;
    Slot slot = tables->nodes[root].entry;
    const auto above = at.is_root() ? 0 : std::min(names_of(at).size(), names.size());
    for (auto name = names.begin() + static_cast<std::ptrdiff_t>(above); slot != 0; ++name) {
      const Entry& entry = tables->entries[slot];
      if (is_lent(entry)) chain.push_back(copy(*tables, entry, view, at));
      if (name == names.end()) break;
      slot = find_entry(*tables, entry.child, *name);
      at = at.child(*name);
    }
    if (!chain.empty()) chains.push_back(std::move(chain));
  }
  return chains;
}

std::vector<LentEntry> NodeTable::lent_in(const View& view) {
  std::vector<LentEntry> found;
  auto tables = tables_.lock();
  std::vector<std::pair<NodeId, ViewPointer>> roots;
  for (const auto& [root, there] : tables->views_like(view)) {
    if (there->identity == view.identity) roots.emplace_back(id_of(*tables, root), there);
  }
  Turns turns(tables);
  for (const auto& [id, there] : roots) {
    if (const Slot root = slot_of(*tables, id)) add_view(turns, *tables, root, there, found);
  }
  return found;
}

std::vector<LentEntry> NodeTable::lent_files_of_uris() {
  std::vector<LentEntry> found;
  auto tables = tables_.lock();
  for (const Slot slot : tables->uri_files) {
    const Entry& entry = tables->entries[slot];
    if (!is_lent(entry) || entry.lent != Access::kRead) continue;
    const auto [view, path] = place_of(*tables, entry.parent);
    if (view != nullptr) found.push_back(copy(*tables, entry, view, path.child(entry.name.view())));
  }
  return found;
}

void NodeTable::add_view(Turns& turns, Tables& tables, Slot root, const ViewPointer& view,
                         std::vector<LentEntry>& found) {
  if (const Slot door = tables.nodes[root].entry; door != 0 && is_lent(tables.entries[door])) {
    found.push_back(copy(tables, tables.entries[door], view, view->root));
  }
  add_below(turns, tables, root, {view, view->root, Collect::kLeave}, found);
}

void NodeTable::add_below(Turns& turns, Tables& tables, Slot folder, const Below& below,
                          std::vector<LentEntry>& found) {
  // What is looked up while the lock is handed on was decided after the recall began, or is not
  // lent; what goes meanwhile, the kernel has forgotten.
  Cursor next(tables, tables.nodes[folder].child);
  while (next.at != 0) {
    turns.next();
    const Slot slot = next.take();
    if (slot == 0) return;
    Entry& entry = tables.entries[slot];
    const Below at{below.view, below.path.child(entry.name.view()), below.collect};
    if (is_lent(entry)) found.push_back(copy(tables, entry, at.view, at.path));
    if (below.collect == Collect::kTakeBack) entry.lent = Access::kClosed;
    if (tables.nodes[entry.child].kind == NodeKind::kFolder) {
      add_below(turns, tables, entry.child, at, found);
    }
  }
}

std::vector<KernelEntry> NodeTable::take_back(const LentEntry& top) {
  std::vector<LentEntry> found;
  {
    auto tables = tables_.lock();
    const Slot parent = slot_of(*tables, top.entry.parent);
    const Slot entry = parent == 0 ? 0 : find_entry(*tables, parent, top.entry.name);
    if (entry != 0) tables->entries[entry].lent = Access::kClosed;
    const Slot folder = slot_of(*tables, top.leads_to);
    if (folder == 0) return {};
    Turns turns(tables);
    const ViewPointer none;
    add_below(turns, *tables, folder, {none, StorePath(), Collect::kTakeBack}, found);
  }
  std::vector<KernelEntry> keys;
  keys.reserve(found.size());
  for (LentEntry& each : found) keys.push_back(std::move(each.entry));
  return keys;
}

std::vector<KernelEntry> NodeTable::all_lent() {
  std::vector<KernelEntry> doors;
  std::vector<KernelEntry> folders;
  std::vector<KernelEntry> files;
  auto tables = tables_.lock();
  Turns turns(tables);
  for (Slot slot = 1; slot < tables->entries.end(); ++slot) {
    turns.next();
    const Entry* entry = tables->entries.find(slot);
    // Also what was taken back a moment ago: the kernel may not have been told yet.
    if (entry == nullptr || steady_seconds() > entry->lent_until) continue;
    const Node& child = tables->nodes[entry->child];
    const bool is_folder = child.kind == NodeKind::kFolder;
    auto& of_its_kind = child.is_view ? doors : is_folder ? folders : files;
    of_its_kind.push_back(key_of(*tables, *entry));
  }
  std::ranges::move(folders, std::back_inserter(doors));
  std::ranges::move(files, std::back_inserter(doors));
  return doors;
}

std::vector<LentEntry> NodeTable::take_expired(Timestamp now) {
  std::vector<LentEntry> taken;
  auto tables = tables_.lock();
  Turns turns(tables);
  while (!tables->expiring.empty() && tables->expiring.begin()->first <= now) {
    if (turns.next()) continue;
    const auto listed = tables->expiring.extract(tables->expiring.begin());
    const KernelEntry& key = listed.mapped();
    const Slot folder = slot_of(*tables, key.parent);
    const Slot slot = folder == 0 ? 0 : find_entry(*tables, folder, key.name);
    if (slot == 0) continue;
    Entry& entry = tables->entries[slot];
    entry.listed_until = 0;
    const bool is_door = tables->nodes[entry.child].is_view;
    auto [view, path] = place_of(*tables, is_door ? entry.child : entry.parent);
    if (view == nullptr || !is_lent(entry)) continue;
    taken.push_back(copy(*tables, entry, view, is_door ? path : path.child(key.name)));
  }
  std::ranges::stable_sort(
      taken, {}, [](const LentEntry& lent) { return std::tuple(lent.view.get(), lent.path); });
  return taken;
}

Expiry NodeTable::next_expiry() {
  auto tables = tables_.lock();
  if (tables->expiring.empty()) return std::nullopt;
  return tables->expiring.begin()->first;
}

void NodeTable::rest_on(const KernelEntry& entry, const Loan& loan, std::chrono::seconds left) {
  auto tables = tables_.lock();
  const Slot folder = slot_of(*tables, entry.parent);
  if (folder == 0) return;
  const Slot slot = find_entry(*tables, folder, entry.name);
  if (slot == 0) return;
  const std::uint32_t until = tables->entries[slot].lent_until;
  const std::chrono::seconds own{until - std::min(until, steady_seconds())};
  rest_on(*tables, slot, loan, std::max(own, left));
}

std::vector<NodeId> NodeTable::roots_of_views_for_servers() {
  std::vector<NodeId> roots;
  auto tables = tables_.lock();
  for (const auto& [root, view] : tables->views) {
    if (view->traits.may_be_lent) roots.push_back(id_of(*tables, root));
  }
  return roots;
}

std::optional<LentEntry> NodeTable::leading_to(NodeId folder) {
  auto tables = tables_.lock();
  const Slot slot = slot_of(*tables, folder);
  if (slot == 0) return std::nullopt;
  const Node& node = tables->nodes[slot];
  if (node.kind != NodeKind::kFolder || node.entry == 0) return std::nullopt;
  const auto [view, path] = place_of(*tables, slot);
  if (view == nullptr) return std::nullopt;
  const Entry& entry = tables->entries[node.entry];
  LentEntry lent = copy(*tables, entry, view, path);
  if (!is_lent(entry)) lent.lent = Access::kClosed;
  return lent;
}

std::optional<LentEntry> NodeTable::lent_by(const KernelEntry& key) {
  auto tables = tables_.lock();
  const Slot folder = slot_of(*tables, key.parent);
  const Slot slot = folder == 0 ? 0 : find_entry(*tables, folder, key.name);
  if (slot == 0 || !is_lent(tables->entries[slot])) return std::nullopt;
  const auto [view, path] = place_of(*tables, folder);
  if (view == nullptr) return std::nullopt;
  return copy(*tables, tables->entries[slot], view, path.child(key.name));
}

NodeTable::LentIn NodeTable::lent_directly_in(NodeId folder) {
  LentIn in;
  auto tables = tables_.lock();
  const Slot above = slot_of(*tables, folder);
  if (above == 0) return in;
  const auto [view, path] = place_of(*tables, above);
  if (view == nullptr) return in;
  Turns turns(tables);
  Cursor next(*tables, tables->nodes[above].child);
  while (next.at != 0) {
    turns.next();
    const Slot slot = next.take();
    if (slot == 0) break;
    const Entry& entry = tables->entries[slot];
    if (tables->nodes[entry.child].kind == NodeKind::kFolder) {
      in.folders.push_back(id_of(*tables, entry.child));
    } else if (is_lent(entry)) {
      in.files.push_back(copy(*tables, entry, view, path.child(entry.name.view())));
    }
  }
  return in;
}

std::vector<ViewPointer> NodeTable::views_for_servers() {
  std::vector<ViewPointer> views;
  auto tables = tables_.lock();
  for (const auto& [root, view] : tables->views) {
    if (view->traits.may_be_lent) views.push_back(view);
  }
  return views;
}

}  // namespace grantfs
