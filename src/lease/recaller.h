#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "lease/kernel.h"
#include "tree/tree.h"

namespace grantfs {

/// What is counted, since the start.
struct RecallCounters {
  std::atomic<std::uint64_t> recalls{0};     ///< times that something had to be forgotten
  std::atomic<std::uint64_t> entries{0};     ///< entries that the kernel was told to forget
  std::atomic<std::uint64_t> everything{0};  ///< times that it was told to forget everything
};

/// Takes back what was lent to the kernel as soon as it is no longer true: when the database says
/// that somebody lost access, and when something expires.
///
/// All of it happens on one thread of its own, which alone notifies the kernel. While anything is
/// lent it looks at the database every 10 ms, and at once when told to (catch_up()); a timer on
/// CLOCK_REALTIME, which steps of the clock wake, minds expiries. While nothing is lent it sleeps.
///
/// What is lent for longer than a lease goes by its folders, and they are renewed only as long as
/// this thread and the StoreWatcher keep up: see vouch().
///
/// Trouble with the database recalls everything, once: what cannot be read denies; so does a round
/// that breaks off for lack of memory, and whoever waits for it may be told nothing. A notification
/// that fails ends the program (Kernel::abort) rather than leave a lease standing.
class Recaller {
 public:
  struct Options {
    /// How often the database is looked at while something is lent.
    std::chrono::milliseconds poll{10};
    Clock clock = system_now;
  };

  /// Starts the thread, with all signals blocked. kSystem if there are no descriptors for it.
  /// `tree`, `policy` and `kernel` must outlive it.
  static Result<std::unique_ptr<Recaller>> start(Tree& tree, Policy& policy, Kernel& kernel,
                                                 Options options);
  ~Recaller() { stop(); }
  /// Ends the thread; the kernel is not notified any more after that, and whoever waits for
  /// catch_up() is told nothing. lent() and catch_up() may still be called. Once, or never.
  void stop();
  Recaller(const Recaller&) = delete;
  Recaller& operator=(const Recaller&) = delete;

  /// Something was lent, for so long at most (TreeOptions::on_lent). Any thread; a few atomic
  /// operations most of the time.
  void lent(std::chrono::seconds longest);

  /// TreeOptions::vouch. Where this thread or the StoreWatcher did not keep up (the program was
  /// stopped, the machine suspended, the disk hung), the kernel forgets everything before this
  /// returns, and nothing is lent for longer than a lease for a while. Any thread.
  void vouch();

  /// Has the kernel forget these entries, which are not so any more in the store, and then calls
  /// `done`, as catch_up() does.
  void forget(std::vector<KernelEntry> entries, std::function<void()> done);

  /// Calls `done` when everything that was committed before this call, and that takes access
  /// away, has been recalled. Any thread; `done` is called on the recalling one, and must be quick.
  void catch_up(std::function<void()> done);

  /// Has the kernel forget everything that it was lent, and then calls `done`, as catch_up() does.
  void forget_everything(std::function<void()> done);

  const RecallCounters& counters() const { return counters_; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  Recaller(Tree& tree, Policy& policy, Kernel& kernel, Options options, UniqueFd wake,
           UniqueFd timer);
  struct Waiting {
    std::vector<KernelEntry> entries;
    std::function<void()> done;
    bool everything = false;
  };
  void run();
  /// One round: what was lost, what expired, and whoever waits.
  void keep_up(std::vector<Waiting>& served);
  /// After a round that broke off (no memory): what it was about to recall is not known any more.
  void forget_blindly(const char* why);
  /// Until something is to be done; false: to stop.
  bool wait();
  bool anything_lent() const;
  void arm_timer();
  void follow_database();
  void recall(const std::vector<KernelEntry>& entries);
  void must(const Result<void, Errno>& forgotten);
  void recall_everything();
  void wake();

  Tree& tree_;
  Policy& policy_;
  Kernel& kernel_;
  const Options options_;
  UniqueFd wake_;   ///< an eventfd
  UniqueFd timer_;  ///< a timerfd on CLOCK_REALTIME
  Expiry armed_for_;
  bool clock_was_set_ = false;
  SteadyClock::rep recalled_for_ = 0;  ///< last_lent_ when trouble last recalled everything
  RecallCounters counters_;

  std::atomic<SteadyClock::rep> last_lent_{0};
  std::atomic<SteadyClock::rep> lent_until_{0};
  std::atomic<SteadyClock::rep> kept_up_at_{0};  ///< all that was committed by then is recalled
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  Sync<std::vector<Waiting>> waiting_;
  std::thread thread_;
};

}  // namespace grantfs
