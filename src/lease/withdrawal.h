#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "grantfs/policy.h"
#include "lease/lender.h"
#include "lease/review.h"
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
  /// All must outlive it.
  Withdrawal(const Judge& judge, const Store& store, NodeTable& nodes, Lender& lender)
      : judge_(judge), store_(store), nodes_(nodes), lender_(lender) {}

  /// From here on, decisions made before are not lent any more. What follows does so by itself.
  void begin_recall() { nodes_.lent().begin_recall(); }
  /// What the losses took away.
  std::vector<KernelEntry> of(const Losses& losses);
  /// What expires at or before `now`.
  std::vector<KernelEntry> of_expired(Timestamp now);
  /// Everything that is lent in the views for servers.
  std::vector<KernelEntry> of_everything();
  /// Begins to decide anew what is lent, after begin_recall(). Nothing is forgotten whose decision
  /// is as good as what was lent, and a URI's only if it leads to the same file.
  Review review(Review::Of of);
  /// Goes on until then, or sooner; what the kernel must forget.
  std::vector<KernelEntry> go_on(Review& review, std::chrono::steady_clock::time_point until);

  /// The next moment at which of_expired() has something to do.
  Expiry next_expiry() { return nodes_.lent().next_expiry(); }
  /// See SteadyFiles. Whoever cannot vouch for them has the kernel forget everything between
  /// pausing and clearing.
  SteadyFiles& steady_files() { return lender_.steady_files(); }
  StoreChanges check_steady_files() {
    return steady_files().check(store_, std::chrono::steady_clock::now());
  }
  /// As Lender's.
  std::chrono::nanoseconds checked_within() const { return lender_.checked_within(); }

 private:
  /// Adds what must be forgotten of a chain of entries that lie below each other.
  void add_chain(const std::vector<LentEntry>& chain, std::vector<KernelEntry>& entries);
  void add_each(const std::vector<LentEntry>& lent, std::vector<KernelEntry>& entries);
  void add_with_all_below(const LentEntry& top, std::vector<KernelEntry>& entries);
  /// What the policy says now, if what is lent with the entry, or below it for so long yet, may go
  /// on by that; none: it must not.
  std::optional<Access> holds_now(const LentEntry& lent, std::chrono::seconds left);
  bool holds_still(const LentEntry& lent);
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
