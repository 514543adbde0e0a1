#include "lease/recall/withdrawal.h"

#include <algorithm>
#include <utility>

namespace grantfs {
namespace {

/// The token that an identity rests on; null if it rests on none.
const TokenHash* token_of(const Identity& identity) {
  if (const auto* bearer = std::get_if<SessionBearer>(&identity)) return &bearer->session;
  if (const auto* bearer = std::get_if<LinkBearer>(&identity)) return &bearer->link;
  return nullptr;
}

}  // namespace

bool Withdrawal::leads_to_its_file(const LentEntry& lent, const Decision& decision) {
  const auto file = nodes_.find(lent.leads_to);
  // Recalls wait for no store.
  const auto found = store_.find(*decision.file, Waiting::kRefused);
  return file && found && found->id == file->last.id;
}

std::optional<Access> Withdrawal::holds_now(const LentEntry& lent, std::chrono::seconds left) {
  if (lent.path == lent.view->root && std::holds_alternative<LinkBearer>(lent.view->identity)) {
    // What the link is on may have changed, and then the door leads elsewhere by now.
    auto door = judge_.policy().view_root(lent.view->identity);
    if (!door || door->root != lent.path) return std::nullopt;
  }
  auto decision = judge_.decide(lent.view->identity, lent.path);
  if (!decision || decision->access == Access::kClosed || decision->access < lent.lent) {
    return std::nullopt;
  }
  if (decision->until &&
      *decision->until <= std::chrono::floor<std::chrono::seconds>(lender_.now())) {
    return std::nullopt;  // of a link's use
  }
  // Another key may lead the URI elsewhere, which is allowed, and yet not what was lent.
  if (decision->file && lent.lent == Access::kRead && !leads_to_its_file(lent, *decision)) {
    return std::nullopt;
  }
  nodes_.lent().rest_on(lent.entry, lender_.loan(*decision, RecallMark(), lender_.longest()), left);
  return decision->access;
}

bool Withdrawal::holds_still(const LentEntry& lent) {
  return holds_now(lent, lender_.lease() + spans::kLateness).has_value();
}

void Withdrawal::add_with_all_below(const LentEntry& top, std::vector<KernelEntry>& entries) {
  // When the kernel forgets the top, it forgets the entries below too, except those in use. So a
  // process that works in a folder down there would go on by names that the kernel still has.
  std::vector<KernelEntry> below = nodes_.lent().take_back(top);
  if (top.lent != Access::kClosed) entries.push_back(top.entry);
  std::ranges::move(below, std::back_inserter(entries));
}

void Withdrawal::add_chain(const std::vector<LentEntry>& chain, std::vector<KernelEntry>& entries) {
  // If the lowest entry holds, so do those that lead to it: a folder is visible as long as
  // something in it is.
  auto top = chain.rend();
  for (auto lent = chain.rbegin(); lent != chain.rend() && !holds_still(*lent); ++lent) top = lent;
  if (top != chain.rend()) add_with_all_below(*top, entries);
}

void Withdrawal::add_each(const std::vector<LentEntry>& lent, std::vector<KernelEntry>& entries) {
  const LentEntry* top = nullptr;  // the last one withdrawn
  for (const LentEntry& each : lent) {
    const bool gone_already =
        top != nullptr && top->view == each.view && top->path.covers(each.path);
    if (gone_already || holds_still(each)) continue;
    add_with_all_below(each, entries);
    top = &each;
  }
}

std::vector<KernelEntry> Withdrawal::of(const Losses& losses) {
  if (losses.unexplained) return of_everything();
  nodes_.lent().begin_recall();
  std::vector<KernelEntry> entries;
  for (const StorePath& path : losses.paths) {
    for (const auto& chain : nodes_.lent().lent_along(path)) add_chain(chain, entries);
  }
  // A signing key is known by its path in the store, and what it lent by the URI.
  if (!losses.paths.empty()) add_each(nodes_.lent().lent_files_of_uris(), entries);
  if (losses.tokens.empty() && losses.members.empty()) return entries;
  for (const ViewPointer& view : nodes_.lent().views_for_servers()) {
    const TokenHash* token = token_of(view->identity);
    bool affected =
        token != nullptr && std::ranges::find(losses.tokens, *token) != losses.tokens.end();
    if (!affected && !losses.members.empty()) {
      // The principal that left a group is still a principal of the view, unless it stopped being
      // one by another change. That change then names one that it still is.
      auto principals = judge_.policy().principals(view->identity);
      affected = !principals || std::ranges::any_of(*principals, [&](const Principal& principal) {
        return std::ranges::find(losses.members, principal) != losses.members.end();
      });
    }
    if (affected) add_each(nodes_.lent().lent_in(*view), entries);
  }
  return entries;
}

std::vector<KernelEntry> Withdrawal::of_expired(Timestamp now) {
  nodes_.lent().begin_recall();
  std::vector<KernelEntry> entries;
  add_each(nodes_.lent().take_expired(now), entries);
  return entries;
}

std::vector<KernelEntry> Withdrawal::of_everything() {
  nodes_.lent().begin_recall();
  return nodes_.lent().all_lent();
}

}  // namespace grantfs
