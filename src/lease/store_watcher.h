#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

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
  /// `period`: from the beginning of a look to that of the next. `withdrawal`, `recaller` and
  /// `kernel` must outlive it, and the recaller's thread must not have stopped before stop().
  StoreWatcher(Withdrawal& withdrawal, Recaller& recaller, Kernel& kernel,
               std::chrono::duration<double> period);
  ~StoreWatcher() { stop(); }
  StoreWatcher(const StoreWatcher&) = delete;
  StoreWatcher& operator=(const StoreWatcher&) = delete;

  /// There may be files now (Lender::Options::on_steady). Any thread.
  void watch();
  /// A file has changed since the kernel read of it by that node (Tree's on_changed). Any
  /// thread.
  void forget_file(NodeId node);
  /// Ends the thread. The two above may still be called.
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
  std::mutex mutex_;
  std::condition_variable changed_;
  bool watching_ = false;
  bool told_ = false;
  std::vector<NodeId> changed_files_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace grantfs
