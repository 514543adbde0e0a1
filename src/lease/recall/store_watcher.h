#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <thread>
#include <vector>

#include "base/sync.h"
#include "lease/recall/kernel.h"
#include "lease/recall/recaller.h"
#include "lease/recall/withdrawal.h"

namespace grantfs {

/// The watcher looks at the files in steady use (see SteadyFiles), because the kernel does not ask
/// about them. It looks so often that a change in the store shows within a lease, and has the
/// recaller tell the kernel of what changed. It also has the kernel forget the cached bytes of any
/// file that changed. Both wait for the disk, so the watcher has a thread of its own, with all
/// signals blocked, which sleeps while there is nothing to do.
class StoreWatcher {
 public:
  /// Starts the thread. `period`: from the beginning of a look to that of the next.
  ///
  /// `withdrawal`, `recaller` and `kernel` must live until stop() has returned; nothing of them is
  /// used after that. The recaller must be stopped later than this: a watcher that waits for a
  /// recaller that has ended sees no file again, and so nothing is vouched for.
  StoreWatcher(Withdrawal& withdrawal, Recaller& recaller, Kernel& kernel,
               std::chrono::duration<double> period);
  /// Calls stop(). watch() and forget_file() must not be called any more. The recaller may still
  /// have a request from here, which it can answer at any time.
  ~StoreWatcher() { stop(); }
  StoreWatcher(const StoreWatcher&) = delete;
  StoreWatcher& operator=(const StoreWatcher&) = delete;

  /// Wakes the watcher, because files may have come into steady use (Lender::lend_longer()).
  /// Any thread.
  void watch();
  /// Says that a file has changed since the kernel read it by that node (Lender::tell_of_change()).
  /// Any thread.
  void forget_file(NodeId node);
  /// Ends the thread, as soon as a look that is under way has come back from the disk. The two
  /// above may still be called, and do nothing. Of the thread that made this; again is nothing.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  /// Looks at all files once. False if there are none.
  bool look();
  /// Waits until the kernel has forgotten. False: the thread is to stop.
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
