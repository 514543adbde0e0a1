#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace grantfs {

/// Threads for the requests that have to wait for the store: for a disk, or for another machine.
/// The threads that the kernel's requests arrive on never do, so that a store that hangs stops
/// nobody who does not need it.
///
/// A request for which there is no thread waits for its turn, as long as the store goes on
/// answering. If it has answered nothing for a while, it hangs: then only those wait on that have a
/// thread, and all others are refused. The threads are quiet (start_quiet_thread()). Thread-safe.
class StoreWorkers {
 public:
  enum class Turn {
    kCame,
    kNeverComes,  ///< the store hangs: the request is to be refused
  };
  /// Called once, on one of the threads.
  using Work = std::function<void(Turn)>;

  /// `most`: requests that wait at most; `patience`: after how long the store hangs.
  StoreWorkers(unsigned threads, std::size_t most, std::chrono::milliseconds patience = kPatience);
  ~StoreWorkers() { (void)finish(); }
  StoreWorkers(const StoreWorkers&) = delete;
  StoreWorkers& operator=(const StoreWorkers&) = delete;

  /// Waits for nothing. False, and `work` is never called: the store hangs, or too many wait. After
  /// finish(), `work` is done on this thread.
  [[nodiscard]] bool submit(Work work);
  /// Whether requests wait for a store that hangs.
  bool hang();
  /// Returns true when everything submitted is done and the threads have ended; false if the store
  /// hangs: then the threads are left to themselves, and neither they nor what they use may be
  /// destroyed.
  [[nodiscard]] bool finish();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPatience{5};

  void run();
  /// Refuses those that wait while the store hangs.
  void watch();
  std::size_t pending() const { return running_ + waiting_.size(); }
  bool is_late() const { return Clock::now() >= progress_ + patience_; }

  const std::chrono::milliseconds patience_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable crowded_;  ///< more have arrived than there are threads
  std::condition_variable went_on_;  ///< progress_ has changed
  std::deque<Work> waiting_;
  std::size_t running_ = 0;
  /// When a thread last began or ended a request, or the first came after all were done.
  Clock::time_point progress_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::thread watcher_;
};

}  // namespace grantfs
