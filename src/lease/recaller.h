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
/// Trouble with the database recalls everything, once: what cannot be read denies. A notification
/// that fails ends the program (Kernel::abort) rather than leave a lease standing.
class Recaller {
 public:
  struct Options {
    std::chrono::seconds lease{1};
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

  /// Something was lent (TreeOptions::on_lent). Any thread; an atomic store most of the time.
  void lent();

  /// Calls `done` when everything that was committed before this call, and that takes access
  /// away, has been recalled. Any thread; `done` is called on the recalling one, and must be quick.
  void catch_up(std::function<void()> done);

  const RecallCounters& counters() const { return counters_; }

 private:
  using SteadyClock = std::chrono::steady_clock;

  Recaller(Tree& tree, Policy& policy, Kernel& kernel, Options options, UniqueFd wake,
           UniqueFd timer);
  void run();
  /// Until something is to be done; false: to stop.
  bool wait();
  bool anything_lent() const;
  void arm_timer();
  void follow_database();
  void recall(const std::vector<KernelEntry>& entries);
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
  std::atomic<bool> asleep_{false};
  std::atomic<bool> stopping_{false};
  Sync<std::vector<std::function<void()>>> waiting_;
  std::thread thread_;
};

}  // namespace grantfs
