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
/// Requests wait here in bounded number. Whoever submits one more waits for room, as long as the
/// store goes on answering; if it has answered nothing for a while, the request is not taken.
/// The threads are quiet (start_quiet_thread()). Thread-safe.
class StoreWorkers {
 public:
  using Work = std::function<void()>;

  /// `most`: requests that wait or are being answered, at most; at least `threads`.
  StoreWorkers(unsigned threads, std::size_t most, std::chrono::milliseconds patience = kPatience);
  ~StoreWorkers() { (void)finish(); }
  StoreWorkers(const StoreWorkers&) = delete;
  StoreWorkers& operator=(const StoreWorkers&) = delete;

  /// Takes fewer from now on, or more. Before the first submit() only.
  void limit(std::size_t most) { most_ = most; }
  /// False, and `work` is never done: all threads wait for a store that does not answer, and no
  /// more may wait. After finish(), `work` is done on this thread.
  [[nodiscard]] bool submit(Work work);
  /// Whether requests wait, and the store has answered none for as long as submit() would wait.
  bool hang();
  /// Returns true when everything submitted is done and the threads have ended; false if the store
  /// answers nothing for as long as submit() would wait: then the threads are left to themselves,
  /// and neither they nor what they use may be destroyed.
  [[nodiscard]] bool finish();

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kPatience{2};

  void run();

  const std::chrono::milliseconds patience_;
  std::size_t most_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable went_on_;  ///< progress_ has changed
  std::deque<Work> waiting_;
  std::size_t running_ = 0;
  /// When a thread last began or ended a request, or the first came after all were done.
  Clock::time_point progress_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace grantfs
