#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "grantfs/policy.h"
#include "lease/lender.h"
#include "lease/recall/review.h"
#include "nodes/node_table.h"
#include "policy/decisions/judge.h"
#include "store/store.h"

namespace grantfs {

/// Says what the kernel must forget now that the policy has changed: the entries whose decision is
/// worse than what was lent, the highest first, each followed by what is lent below it (somebody
/// may be in there). The policy's newest commit decides; trouble with it counts as a refusal. No
/// store is waited for.
///
/// One thread at a time, the recalling one; next_expiry() and checks of the store are any thread's.
class Withdrawal {
 public:
  /// The four arguments must outlive this object.
  Withdrawal(const Judge& judge, const Store& store, NodeTable& nodes, Lender& lender)
      : judge_(judge), store_(store), nodes_(nodes), lender_(lender) {}

  /// From this call on, a decision that was made earlier is not lent any more. The methods below
  /// make this call themselves.
  void begin_recall() { nodes_.lent().begin_recall(); }
  /// The entries whose access the losses took away. None if more than `most` entries would have to
  /// be decided anew: then the kernel must forget everything. The cost follows the number of
  /// entries that the losses may touch, and not the number that is lent.
  std::optional<std::vector<KernelEntry>> of(const Losses& losses,
                                             std::size_t most = LentEntries::kAll);
  /// The entries that expire at or before `now`.
  std::vector<KernelEntry> of_expired(Timestamp now);
  /// Every entry that is lent in the views for servers.
  std::vector<KernelEntry> of_everything();
  /// Begins to decide anew all that is lent, after begin_recall(). An entry stays if its decision
  /// is as good as the one that it was lent by; a URI's entry stays only if it also leads to the
  /// same file.
  Review review(Review::Of of);
  /// Continues the review until `until` at the latest. Returns the entries that the kernel must
  /// forget.
  std::vector<KernelEntry> go_on(Review& review, std::chrono::steady_clock::time_point until);

  /// The next moment at which of_expired() has something to do.
  Expiry next_expiry() { return nodes_.lent().next_expiry(); }
  /// The files in steady use. A caller that cannot vouch for them pauses them, has the kernel
  /// forget everything, and then clears them.
  SteadyFiles& steady_files() { return lender_.steady_files(); }
  StoreChanges check_steady_files() {
    return steady_files().check(store_, std::chrono::steady_clock::now());
  }
  /// Lender::is_current(). Any thread.
  bool is_current() const { return lender_.is_current(); }
  /// Lender::checked_within().
  std::chrono::nanoseconds checked_within() const { return lender_.checked_within(); }

 private:
  /// What is lent in all views of those who count as the member.
  std::vector<LentEntry> lent_to(const Principal& member, std::size_t most);
  /// Adds what must be forgotten of these entries, which come with each folder before its contents.
  void add_each(const std::vector<LentEntry>& lent, std::vector<KernelEntry>& entries);
  void add_with_all_below(const LentEntry& top, std::vector<KernelEntry>& entries);
  /// The access that the policy gives now, if it suffices for what is lent with the entry, or below
  /// it for another `left`. None: the kernel must forget the entry.
  std::optional<Access> holds_now(const LentEntry& lent, std::chrono::seconds left);
  bool holds_still(const LentEntry& lent);
  /// Whether a door still leads where it did, to a view of the same principal.
  bool leads_to_its_view(const LentEntry& door);
  bool leads_to_its_file(const LentEntry& lent, const Decision& decision);
  void review_folder(NodeId folder, Review& review, std::vector<KernelEntry>& entries);
  void review_files(NodeId folder, const std::vector<KernelEntry>& files,
                    std::vector<KernelEntry>& entries);

  const Judge& judge_;
  const Store& store_;
  NodeTable& nodes_;
  Lender& lender_;
};

}  // namespace grantfs
