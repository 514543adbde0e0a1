#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "lease/kernel.h"
#include "lease/recaller.h"
#include "lease/withdrawal.h"

namespace grantfs {

/// Looks at the files in steady use (see SteadyFiles), which the kernel does not ask about, as
/// often as it takes for a change in the store to show within a lease, and has the recaller tell
/// the kernel of what changed. Also has the kernel forget what it has read of files that changed,
/// these and others. On a thread of its own, with all signals blocked, since both wait for the
/// disk; it sleeps while there is nothing to do.
class StoreWatcher {
 public:
  /// Starts the thread. `period`: from the beginning of a look to that of the next.
  ///
  /// `withdrawal`, `recaller` and `kernel` must live until stop() has returned; nothing of them is
  /// used after that. The recaller must be stopped later than this: a watcher that waits for a
  /// recaller that has ended sees no file again, and so nothing is vouched for.
  StoreWatcher(Withdrawal& withdrawal, Recaller& recaller, Kernel& kernel,
               std::chrono::duration<double> period);
  /// stop(). watch() and forget_file() must not be called any more. The recaller may still have a
  /// request of ours, which it can answer at any time.
  ~StoreWatcher() { stop(); }
  StoreWatcher(const StoreWatcher&) = delete;
  StoreWatcher& operator=(const StoreWatcher&) = delete;

  /// There may be files now (Lender::Options::on_steady). Any thread.
  void watch();
  /// A file has changed since the kernel read of it by that node (Tree's on_changed). Any
  /// thread.
  void forget_file(NodeId node);
  /// Ends the thread, as soon as a look that is under way has come back from the disk. The two
  /// above may still be called, and do nothing. Of the thread that made this; again is nothing.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  /// One look at all files; false if there are none.
  bool look();
  /// Until the kernel has forgotten; false: to stop.
  bool tell(std::vector<KernelEntry> entries);
  void forget_files(const std::vector<NodeId>& nodes);

  Withdrawal& withdrawal_;
  Recaller& recaller_;
  Kernel& kernel_;
  const Clock::duration period_;
  struct State {
    std::condition_variable changed;
    bool watching = false;
    bool told = false;  ///< the kernel, by the recaller
    std::vector<NodeId> changed_files;
    bool stopping = false;
  };
  /// The recaller shares it until it has answered, which may be when this has gone.
  const std::shared_ptr<Sync<State>> state_ = std::make_shared<Sync<State>>();
  std::thread thread_;
};

}  // namespace grantfs
