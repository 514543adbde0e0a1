#include "lease/recall/withdrawal.h"

#include <algorithm>
#include <utility>

namespace grantfs {
bool Withdrawal::leads_to_its_file(const LentEntry& lent, const Decision& decision) {
  const auto file = nodes_.find(lent.leads_to);
  // Recalls wait for no store.
  const auto found = store_.find(*decision.file, Waiting::kRefused);
  return file && found && found->id == file->last.id;
}

bool Withdrawal::leads_to_its_view(const LentEntry& door) {
  const Identity& identity = door.view->identity;
  const bool may_lead_elsewhere = std::holds_alternative<SessionBearer>(identity) ||
                                  std::holds_alternative<LinkBearer>(identity);
  if (!may_lead_elsewhere) return true;
  const auto view = judge_.policy().view_root(identity);
  return view && view->root == door.path && view->principal == door.view->principal;
}

std::optional<Access> Withdrawal::holds_now(const LentEntry& lent, std::chrono::seconds left) {
  if (lent.path == lent.view->root && !leads_to_its_view(lent)) return std::nullopt;
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

void Withdrawal::add_each(const std::vector<LentEntry>& lent, std::vector<KernelEntry>& entries) {
  const LentEntry* top = nullptr;  // the last one that answers for all below it
  for (const LentEntry& each : lent) {
    const bool is_answered =
        top != nullptr && top->view == each.view && top->path.covers(each.path);
    if (is_answered) continue;
    const auto access = holds_now(each, lender_.longest() + spans::kLateness);
    if (!access) add_with_all_below(each, entries);
    // What may be read as a whole is read below.
    if (!access || *access == Access::kRead) top = &each;
  }
}

std::optional<std::vector<KernelEntry>> Withdrawal::of(const Losses& losses, std::size_t most) {
  if (losses.unexplained) return of_everything();
  nodes_.lent().begin_recall();
  std::vector<LentEntry> touched;
  const auto add = [&](std::vector<LentEntry> more) {
    std::ranges::move(more, std::back_inserter(touched));
    return touched.size() <= most;
  };
  for (const StorePath& path : losses.paths) {
    const RuleHash rule = rule_hash(path.text());
    if (!add(nodes_.lent().take_resting_on(rule, most))) return std::nullopt;
  }
  for (const TokenHash& token : losses.tokens) {
    if (!add(nodes_.lent().lent_in_views_of(token, most))) return std::nullopt;
  }
  for (const Principal& member : losses.members) {
    if (!add(lent_to(member, most))) return std::nullopt;
  }
  std::vector<KernelEntry> entries;
  add_each(touched, entries);
  return entries;
}

std::vector<LentEntry> Withdrawal::lent_to(const Principal& member, std::size_t most) {
  // Everybody counts as public, and the system says who counts as one of its groups. What anybody
  // else counts as, the database says: a membership that ended by another change on the way to a
  // view's principal is a loss of its own, which names a member further down.
  constexpr std::size_t kMost = 10'000;  // beyond so many it is as well to look at all views
  auto who = judge_.policy().count_as(member, kMost);
  const bool is_of_the_database =
      who && who->size() <= kMost && std::ranges::none_of(*who, [](const Principal& each) {
        return each.kind() == Principal::Kind::kPublic || each.kind() == Principal::Kind::kGid;
      });
  if (!is_of_the_database) return nodes_.lent().lent_in_views(most);
  std::vector<LentEntry> lent;
  for (const Principal& each : *who) {
    std::ranges::move(nodes_.lent().lent_in_views_of(each, most), std::back_inserter(lent));
    if (lent.size() > most) break;
  }
  return lent;
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
