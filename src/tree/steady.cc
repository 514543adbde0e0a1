// What Tree lends for longer than a lease; see tree.h and steady_files.h.
#include <algorithm>
#include <utility>

#include "tree/tree.h"

namespace grantfs {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

/// How long a file in steady use is lent.
constexpr seconds kSteadyLease{30};
/// With a lease longer than this there is nothing to gain.
constexpr seconds kLongestLeaseToExtend{10};

}  // namespace

void Tree::lend_steadily() {
  lends_steadily_ = options_.reads_by_node && options_.vouch != nullptr &&
                    options_.lease.count() > 0 && options_.lease <= kLongestLeaseToExtend;
}

seconds Tree::longest_lease() const {
  return lends_steadily_ ? kSteadyLease : options_.lease;
}

nanoseconds Tree::folder_lease(bool holds_steady) const {
  if (!holds_steady) return options_.lease;
  options_.vouch();
  return nanoseconds(options_.lease) - vouched_within();
}

nanoseconds Tree::steadily_left(NodeId node) {
  if (!lends_steadily_) return nanoseconds(0);
  const auto until = steady_.until(node);
  if (!until) return nanoseconds(0);
  return std::max<nanoseconds>(*until - kLeastLateness - std::chrono::steady_clock::now(),
                               nanoseconds(0));
}

bool Tree::lend_longer(const KernelEntry& entry, const StorePath& path, const Located& located,
                       const Loan& lent, NodeId node, SteadyTime begun) {
  const Expiry& until = lent.decision.until;
  if (until && time_left(*until) <= kSteadyLease + kLeastLateness) return false;
  const auto sighting = store_.sight(located);
  if (!sighting) return false;
  constexpr seconds kLongest = kSteadyLease + kLeastLateness;
  if (!nodes_.hold_steady(entry.parent, options_.lease, kLongest)) return false;
  if (options_.on_lent) options_.on_lent(kSteadyLease);
  const auto over = std::chrono::steady_clock::now() + kLongest;
  if (!steady_.keep({node, path, *sighting, entry, begun, over})) return false;
  if (options_.on_steady) options_.on_steady();
  return nodes_.lend_for(entry, lent, kLongest);
}

Entry Tree::answer_file(NodeId parent, std::string_view name, const StorePath& path,
                        Located located, const View& view, const Decision& decision,
                        const std::optional<Loan>& lent, const NodeTable::Remembered& node,
                        SteadyTime begun) {
  const Found found = located.found;
  const bool is_steady =
      lends_steadily_ && node.is_steady && node.lent &&
      lend_longer({parent, std::string(name)}, path, located, *lent, node.node, begun);
  keep_at_hand(node.node, std::move(located));
  if (node.before != 0) tell_of_change(node.before);
  const nanoseconds longest = is_steady ? kSteadyLease : options_.lease;
  Entry entry = answer(node, file_attributes(view.shown_owner, found), view, decision, begun,
                       std::min(longest, node.fresh_for));
  entry.attributes_lent_for = steadily_left(node.node);
  return entry;
}

StoreChanges Tree::check_steady_files() {
  return steady_.check(store_, std::chrono::steady_clock::now());
}

}  // namespace grantfs
