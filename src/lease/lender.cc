#include "lease/lender.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include "lease/recall/recaller.h"
#include "lease/recall/store_watcher.h"

namespace grantfs {

using std::chrono::nanoseconds;
using std::chrono::seconds;

void Lender::lend_steadily() {
  lends_steadily_ = recaller_ != nullptr && options_.lease.count() > 0 &&
                    options_.lease <= spans::kLongestLeaseToExtend;
}

nanoseconds Lender::time_left(Timestamp until) const {
  // A timestamp reaches further than nanoseconds can count.
  const auto now = this->now();
  const Timestamp far = std::chrono::ceil<seconds>(now) + std::chrono::hours(1);
  return std::min(until, far) - now;
}

nanoseconds Lender::while_current(nanoseconds span) const {
  if (options_.freshness == nullptr || !options_.freshness->is_bounded()) return span;
  return std::clamp<nanoseconds>(options_.freshness->left() - spans::kTickMargin, nanoseconds(0),
                                 span);
}

nanoseconds Lender::span_of(const View& view, const Decision& decision, nanoseconds longest) const {
  if (!view.traits.may_be_lent) return nanoseconds(0);
  const nanoseconds current = while_current(longest);
  if (!decision.until) return current;
  const nanoseconds left = time_left(*decision.until);
  return std::clamp<nanoseconds>(left - spans::kTickMargin, nanoseconds(0), current);
}

Loan Lender::loan(const Decision& decision, RecallMark mark, seconds longest) const {
  const bool soon = decision.until && time_left(*decision.until) <= longest + spans::kLateness;
  return {decision, mark, soon};
}

void Lender::tell_of_change(NodeId node) {
  if (store_watcher_ != nullptr) store_watcher_->forget_file(node);
}

void Lender::forget_late(std::optional<NodeId> parent, NodeId node, bool is_folder) noexcept {
  if (recaller_ == nullptr) return;
  try {
    if (!parent && !is_folder) return tell_of_change(node);
    recaller_->forget_late(
        parent ? nodes_.lent().leading_to(node, *parent) : std::vector<KernelEntry>(),
        is_folder ? node : 0);
  } catch (const std::exception&) {
    recaller_->forget_blindly_soon();
  }
}

std::optional<Loan> Lender::offer(const View& view, const Decision& decision,
                                  RecallMark mark) const {
  if (span_of(view, decision, options_.lease).count() == 0) return std::nullopt;
  // Before the entry counts as lent: a recall in between must not take it that nothing is.
  if (recaller_ != nullptr) recaller_->lent(options_.lease);
  return loan(decision, mark, options_.lease);
}

Lender::Left Lender::left(const View& view, const Decision& decision, SteadyTime begun,
                          nanoseconds longest) const {
  return left_of(span_of(view, decision, longest), begun);
}

Lender::Left Lender::left_of(nanoseconds span, SteadyTime begun) {
  const auto now = std::chrono::steady_clock::now();
  return {std::max(span - (now - begun), nanoseconds(0)), now};
}

nanoseconds Lender::folder_lease(bool holds_steady) const {
  if (!holds_steady) return options_.lease;
  // No file below opens without a lookup that should not, once this returns.
  recaller_->vouch();
  return spans::share_of<spans::FolderShare>(options_.lease);
}

bool Lender::lend_longer(const KernelEntry& entry, const StorePath& path, const Located& located,
                         const Loan& lent, NodeId node, SteadyTime begun) {
  constexpr seconds kLongest = spans::kSteadyLease + spans::kLateness;
  const Expiry& until = lent.decision.until;
  if (until && time_left(*until) <= kLongest) return false;
  const auto sighting = store_.sight(located);
  if (!sighting) return false;
  if (!nodes_.lent().hold_steady(entry.parent, options_.lease, kLongest)) return false;
  if (recaller_ != nullptr) recaller_->lent(spans::kSteadyLease);
  const auto over = std::chrono::steady_clock::now() + kLongest;
  if (!steady_.keep({node, path, *sighting, entry, begun, over})) return false;
  if (store_watcher_ != nullptr) store_watcher_->watch();
  // Whoever passed the folder before was vouched for by nobody, if no file was kept then. The file
  // is kept from here on.
  if (std::chrono::steady_clock::now() - begun > checked_within()) return false;
  return nodes_.lent().lend_for(entry, lent, kLongest);
}

nanoseconds Lender::steadily_left(NodeId node) {
  if (!lends_steadily_) return nanoseconds(0);
  const auto until = steady_.until(node);
  if (!until) return nanoseconds(0);
  return std::max<nanoseconds>(*until - spans::kLateness - std::chrono::steady_clock::now(),
                               nanoseconds(0));
}

}  // namespace grantfs
