#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "lease/recaller.h"
#include "tree/tree.h"

namespace grantfs {

/// Looks at the files in steady use (see SteadyFiles), which the kernel does not ask about, as
/// often as it takes for a change in the store to show within a lease, and has the recaller tell
/// the kernel of what changed. On a thread of its own, with all signals blocked, since it waits for
/// the disk; it sleeps while there are no such files.
class StoreWatcher {
 public:
  /// `period`: from the beginning of a look to that of the next. `tree` and `recaller` must outlive
  /// it, and the recaller's thread must not have stopped before stop().
  StoreWatcher(Tree& tree, Recaller& recaller, std::chrono::duration<double> period);
  ~StoreWatcher() { stop(); }
  StoreWatcher(const StoreWatcher&) = delete;
  StoreWatcher& operator=(const StoreWatcher&) = delete;

  /// There may be files now (TreeOptions::on_steady). Any thread.
  void watch();
  /// Ends the thread. watch() may still be called.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;

  void run();
  /// One look at all files; false if there are none.
  bool look();
  /// Until the kernel has forgotten; false: to stop.
  bool tell(StoreChanges changes);

  Tree& tree_;
  Recaller& recaller_;
  const Clock::duration period_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool watching_ = false;
  bool told_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace grantfs
