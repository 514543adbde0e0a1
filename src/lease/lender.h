#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "base/lease_spans.h"
#include "grantfs/policy.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "lease/freshness.h"
#include "lease/steady_files.h"
#include "nodes/node_table.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

class Recaller;
class StoreWatcher;

/// The lender says for how long the kernel may keep an answer. Only answers in views for servers
/// are lent, for a lease at most, and for no longer than the decision holds. A file in steady use
/// is lent for longer (see SteadyFiles), and its folder for less. Thread-safe.
class Lender {
 public:
  using SteadyTime = std::chrono::steady_clock::time_point;

  struct Options {
    /// How long the kernel may keep an answer at most; zero: not at all.
    std::chrono::seconds lease{0};
    /// CLOCK_REALTIME, by which expiries are kept.
    std::function<std::chrono::system_clock::time_point()> clock = std::chrono::system_clock::now;
    /// Until when the database counts as current; none: always. It must outlive the lender.
    const Freshness* freshness = nullptr;
  };

  Lender(NodeTable& nodes, const Store& store, Options options)
      : nodes_(nodes), store_(store), options_(std::move(options)) {}

  /// Has everything that is lent be taken back by the recaller. Without one, nothing takes back
  /// what is lent, as in tests of the tree alone. Before the first lookup only, like the next two;
  /// it must outlive the last lookup, and so must the watcher.
  void set_recaller(Recaller& recaller) { recaller_ = &recaller; }
  /// Has the watcher look at files in steady use, and forget what the kernel read of others.
  void set_store_watcher(StoreWatcher& watcher) { store_watcher_ = &watcher; }
  /// From now on files in steady use may be lent for longer than a lease. Before the first lookup
  /// only, and only where everything can be recalled at once and files are read by node.
  void lend_steadily();
  bool lends_steadily() const { return lends_steadily_; }

  /// CLOCK_REALTIME, by which expiries are kept.
  std::chrono::system_clock::time_point now() const { return options_.clock(); }
  std::chrono::seconds lease() const { return options_.lease; }
  /// The longest time for which anything is lent.
  std::chrono::seconds longest() const {
    return lends_steadily_ ? spans::kSteadyLease : options_.lease;
  }
  /// Long leases stay valid only if the database and the store were both checked within this time.
  std::chrono::nanoseconds checked_within() const {
    return spans::share_of<spans::CheckedShare>(options_.lease);
  }

  /// The loan of a decision, to be remembered with an entry; none if the decision is not lent.
  std::optional<Loan> offer(const View& view, const Decision& decision, RecallMark mark) const;
  /// The loan of a decision that is lent for `longest` at most.
  Loan loan(const Decision& decision, RecallMark mark, std::chrono::seconds longest) const;

  /// What is left of a lease, and the moment at which that was worked out. The kernel counts from
  /// when it takes the reply.
  struct Left {
    std::chrono::nanoseconds span;
    SteadyTime from;
  };
  /// How long the kernel may believe an answer from now on, `longest` at most. The lease counts
  /// from `begun`, the moment of the decision. For a client that waits until a lease is over counts
  /// from its commit, which the decision may not have seen.
  Left left(const View& view, const Decision& decision, SteadyTime begun,
            std::chrono::nanoseconds longest) const;
  /// The part of a span that begins now for which the kernel may believe anything at all: nothing
  /// is lent past the moment from which on the database does not count as current.
  std::chrono::nanoseconds while_current(std::chrono::nanoseconds span) const;
  /// Whether the database counts as current.
  bool is_current() const {
    return options_.freshness == nullptr || !options_.freshness->is_over();
  }
  /// What is left of a span that counts from `begun`.
  static Left left_of(std::chrono::nanoseconds span, SteadyTime begun);
  /// Whether a reply that is out by now came too late for a lease that was worked out then: the
  /// kernel may believe it beyond the lease. Costs one reading of the clock.
  static bool is_late(SteadyTime from) {
    return std::chrono::steady_clock::now() - from > spans::kLatestReply;
  }
  /// The longest time for which a folder is lent. If the folder holds files in steady use, these
  /// are vouched for first.
  std::chrono::nanoseconds folder_lease(bool holds_steady) const;

  /// Puts a file into steady use, to be lent for longer than a lease. False: it must not be lent
  /// for longer, also if the decision was begun longer ago than checked_within().
  bool lend_longer(const KernelEntry& entry, const StorePath& path, const Located& located,
                   const Loan& lent, NodeId node, SteadyTime begun);
  /// How long the kernel may believe the attributes of a file in steady use; zero for any other
  /// file.
  std::chrono::nanoseconds steadily_left(NodeId node);
  SteadyFiles& steady_files() { return steady_; }
  /// Has the kernel forget what it read of a file by this node, since the file has changed.
  void tell_of_change(NodeId node);

  /// Has the kernel forget what a reply lent it that came too late: the attributes of a node, and,
  /// if it was the answer to a lookup in `parent`, the entries there that lead to the node. If
  /// memory does not suffice to say which, the kernel forgets everything. It is the recaller that
  /// tells the kernel. For a shared file the cost follows the number of names in `parent`.
  void forget_late(std::optional<NodeId> parent, NodeId node, bool is_folder) noexcept;

 private:
  /// How long it is until then, but at most about an hour, which is more than any lease.
  std::chrono::nanoseconds time_left(Timestamp until) const;
  std::chrono::nanoseconds span_of(const View& view, const Decision& decision,
                                   std::chrono::nanoseconds longest) const;

  NodeTable& nodes_;
  const Store& store_;
  const Options options_;
  Recaller* recaller_ = nullptr;
  StoreWatcher* store_watcher_ = nullptr;
  SteadyFiles steady_;
  bool lends_steadily_ = false;
};

}  // namespace grantfs
