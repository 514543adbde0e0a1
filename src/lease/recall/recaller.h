#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "lease/recall/kernel.h"
#include "lease/recall/recall_counters.h"
#include "lease/recall/withdrawal.h"

namespace grantfs {

/// The recaller takes back what was lent to the kernel as soon as it is no longer true: when the
/// database says that somebody lost access, and when something expires.
///
/// It has one thread, and no other thread notifies the kernel. While anything is lent, the thread
/// looks at the database every 10 ms, and at once when catch_up() is called. A timer on
/// CLOCK_REALTIME wakes it for expiries, and when the clock is set. While nothing is lent it
/// sleeps.
///
/// What a commit took away is recalled at once if the feed explains the commit: only what may have
/// been touched is decided anew, however much is lent. If the feed does not, all that is lent is
/// decided anew, in slices of 2 ms between looks at the database, and the kernel forgets only what
/// is decided worse. Every commit, explained or not, has the files in steady use decided anew,
/// because a writer can bypass the triggers unseen; what else is lent ends by itself within the
/// lease. If there is more than can be decided in time, the kernel forgets everything.
///
/// A file that is lent for longer than a lease is of no use without its folder, and folders are
/// renewed only as long as this thread and the StoreWatcher keep up: see vouch(). If this thread
/// wakes more than 500 ms late while anything is lent (spans::kStandstill), the kernel forgets
/// everything, since replies may be on their way that were about to be sent before.
///
/// When the database, a copy of one elsewhere, does not count as current any more, everything is
/// recalled. Trouble with the database recalls everything, once, because a database that cannot be
/// read denies. A round that breaks off for lack of memory recalls everything too, and a client
/// that waits for that round may get no answer. A notification that fails ends the program
/// (Kernel::abort), since a lease must not outlive its recall.
class Recaller {
 public:
  struct Options {
    /// The time between two looks at the database while something is lent.
    std::chrono::milliseconds poll{10};
    Clock clock = system_now;
    /// The length of one slice of a review, after which the database is looked at again.
    std::chrono::milliseconds review_slice{2};
    /// The most entries that are decided anew because of losses: if these touch more, the kernel
    /// forgets everything, which takes less time, if it can do that at once.
    std::size_t most_touched = 1000;
    /// The longest that a review may take in all: after that, the kernel forgets everything.
    std::chrono::milliseconds longest_review{500};
  };

  /// Starts the thread, with all signals blocked. kSystem if there are no descriptors for it.
  ///
  /// `withdrawal`, `policy` and `kernel` must live until stop() has returned, and `withdrawal` and
  /// `kernel` for as long as vouch() is called besides. A StoreWatcher must be stopped earlier.
  static Result<std::unique_ptr<Recaller>> start(Withdrawal& withdrawal, Policy& policy,
                                                 Kernel& kernel, Options options);
  /// Calls stop(). Handlers call lent(), so the mount must have gone before. Callbacks that still
  /// wait are dropped uncalled.
  ~Recaller() { stop(); }
  /// Ends the thread, when the round under way is over. After that the kernel is notified by
  /// vouch() alone, and whoever waits for catch_up(), forget() or forget_everything() is told
  /// nothing; all may still be called. Of the thread that called start(); again is nothing.
  void stop();
  Recaller(const Recaller&) = delete;
  Recaller& operator=(const Recaller&) = delete;

  /// Something was lent, for so long at most (Lender::offer()). Any thread; a few atomic
  /// operations most of the time.
  void lent(std::chrono::seconds longest);

  /// Called before the kernel is told that it may go on through a folder. When it returns, no file
  /// below opens, without a lookup, that should not: all losses and changes in the store from
  /// before Lender::checked_within() are known to the kernel. Where this thread or the StoreWatcher
  /// did not keep up (the program was stopped, the machine suspended, the disk hung), the kernel
  /// forgets everything before this returns, and nothing is lent for longer than a lease for a
  /// while. Any thread.
  void vouch();

  /// Has the kernel forget entries whose files have changed in the store, and then calls `done`, as
  /// catch_up() does. Any thread.
  void forget(std::vector<KernelEntry> entries, std::function<void()> done);

  /// Has the kernel forget what a reply lent it that came too late: entries, and the attributes of
  /// a folder (0: none). Any thread.
  void forget_late(std::vector<KernelEntry> entries, NodeId folder);
  /// Has the kernel forget everything, since whoever wanted something forgotten has no memory to
  /// say what. Any thread.
  void forget_blindly_soon() noexcept;

  /// Calls `done` when everything that was committed before this call, and that takes access
  /// away, has been recalled. Any thread; `done` is called on the recalling one, and must be quick.
  void catch_up(std::function<void()> done);

  /// Has the kernel forget everything that it was lent, and then calls `done`, as catch_up() does.
  /// Any thread.
  void forget_everything(std::function<void()> done);

  /// Whether the kernel may still have anything that was lent. True for a few seconds longer than
  /// it has. Any thread.
  bool anything_lent() const;

  const RecallCounters& counters() const { return counters_; }

 private:
  using SteadyClock = std::chrono::steady_clock;
  static constexpr SteadyClock::rep kAwake = 0;
  static constexpr SteadyClock::rep kAsleep = -1;

  Recaller(Withdrawal& withdrawal, Policy& policy, Kernel& kernel, Options options, UniqueFd wake,
           UniqueFd timer);
  struct Waiting {
    std::vector<KernelEntry> entries;
    std::function<void()> done;
    /// What the kernel must forget before: these entries, everything, or what commits took away.
    enum class For : std::uint8_t { kEntries, kEverything, kCommits };
    For what;
    SteadyClock::time_point since = SteadyClock::now();
    NodeId folder = 0;  ///< whose attributes the kernel must forget besides; 0: none
  };
  void run();
  /// One round: handles losses and expiries, and answers those who wait.
  void keep_up(std::vector<Waiting>& served);
  /// Recovers from a round that broke off for lack of memory: nobody knows any more what it was
  /// about to recall.
  void forget_blindly(const char* why);
  /// Waits until there is something to do. False: the thread is to stop.
  bool wait();
  /// Comes before anything else when the thread wakes, which should have been at `due`. If it is
  /// much later than that, replies may be on their way that were about to be sent then. The
  /// kernel is told before they are out, or right after, to believe none of them.
  void note_standstill(SteadyClock::time_point due);
  void arm_timer();
  void follow_database();
  /// Begins to decide anew: soon, what is lent of files in steady use; at once, all that is lent.
  void demand_review(Review::Of of, std::size_t why);
  /// Continues the review, if there is one. `looked`: the moment of the last look at the database.
  void go_on_reviewing(SteadyClock::time_point looked);
  void begin_review(SteadyClock::time_point looked);
  void end_review();
  /// Nothing is left to be decided anew: the kernel has forgotten everything, or was lent nothing.
  /// Not earlier, since from now on vouch() takes what was committed for recalled.
  void end_all_reviews();
  bool has_kept_up() const { return !review_ && !demand_; }
  /// The number of the review after which all that was committed so far is recalled; zero: none.
  std::uint64_t last_review_that_matters() const;
  /// Answers the callers that need to wait no longer.
  void answer_waiting();
  void recall(const std::vector<KernelEntry>& entries);
  void forget_attributes(NodeId folder);
  void must(const Result<void, Errno>& forgotten);
  void recall_everything(RecallOfEverything why);
  /// Has the kernel look everything up again, and lends nothing for longer than a lease for a
  /// while. Any thread.
  void begin_afresh(RecallOfEverything why);
  void wake();

  Withdrawal& withdrawal_;
  Policy& policy_;
  Kernel& kernel_;
  const Options options_;
  UniqueFd wake_;   ///< an eventfd
  UniqueFd timer_;  ///< a timerfd on CLOCK_REALTIME
  RecallCounters counters_;

  std::atomic<SteadyClock::rep> last_lent_{0};
  std::atomic<SteadyClock::rep> lent_until_{0};
  std::atomic<SteadyClock::rep> kept_up_at_{0};  ///< all that was committed by then is recalled
  /// kAsleep while nothing is lent; then the moment at which something was lent first.
  std::atomic<SteadyClock::rep> woken_at_{kAwake};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> forgets_blindly_{false};
  Sync<std::vector<Waiting>> waiting_;

  // Of this thread alone.
  Expiry armed_for_;
  bool clock_was_set_ = false;
  bool was_current_ = false;           ///< Withdrawal::is_current() in the round before
  SteadyClock::rep recalled_for_ = 0;  ///< last_lent_ when trouble last recalled everything
  SteadyClock::time_point said_trouble_at_;
  struct Demand {
    Review::Of of;
    SteadyClock::time_point since;
  };
  std::optional<Demand> demand_;
  struct Reviewing {
    Review review;
    Review::Of of;
    SteadyClock::time_point looked;  ///< all that was committed by then is known to it
    SteadyClock::time_point begun;
  };
  std::optional<Reviewing> review_;
  std::uint64_t reviews_begun_ = 0;
  SteadyClock::time_point next_review_;  ///< lest reviews take all of a processor
  struct WaitingForReview {
    std::uint64_t review;  ///< the number of the last one that matters
    std::function<void()> done;
    Waiting::For what;
    SteadyClock::time_point since;
  };
  std::vector<WaitingForReview> waiting_for_reviews_;
  std::thread thread_;
};

}  // namespace grantfs
