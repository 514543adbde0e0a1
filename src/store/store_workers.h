#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/sync.h"

namespace grantfs {

/// Threads for the requests that have to wait for the store: for a disk, or for another machine.
/// Those that wait for a use of a link to be counted have such a thread of their own. The threads
/// that the kernel's requests arrive on never wait for the store, so that a store that hangs stops
/// only requests that need it.
///
/// A request for which there is no thread waits for its turn, as long as the store goes on
/// answering. A store that has answered nothing for a while hangs: then only the requests that have
/// a thread wait on, and all others are refused. The threads are quiet (start_quiet_thread()).
/// Thread-safe.
class StoreWorkers {
 public:
  enum class Turn {
    kCame,
    kNeverComes,  ///< the store hangs: the request is to be refused
  };
  /// Called once, on one of the threads.
  using Work = std::function<void(Turn)>;

  static constexpr std::chrono::seconds kPatience{5};
  /// `most`: the most requests that wait; `patience`: the time without an answer after which the
  /// store hangs; `name`: as start_quiet_thread() takes it.
  StoreWorkers(unsigned threads, std::size_t most, std::chrono::milliseconds patience = kPatience,
               const char* name = "grantfs store");
  ~StoreWorkers() { (void)finish(); }
  StoreWorkers(const StoreWorkers&) = delete;
  StoreWorkers& operator=(const StoreWorkers&) = delete;

  /// Has `work` done on a thread, and waits for nothing. False if the store hangs or too many
  /// requests wait: then `work` is never called. After finish(), `work` is done on this thread.
  [[nodiscard]] bool submit(Work work);
  /// Notes that the store has answered. Work calls it before it replies, because the client may ask
  /// again before the work is over, and must not be refused then.
  void note_answer() { state_.lock()->go_on(); }
  /// Whether requests wait for a store that hangs.
  bool hang();
  /// Returns true when everything submitted is done and the threads have ended; false if the store
  /// hangs: then the threads are left to themselves, and neither they nor what they use may be
  /// destroyed.
  [[nodiscard]] bool finish();

 private:
  using Clock = std::chrono::steady_clock;

  struct State {
    std::condition_variable arrived;
    std::condition_variable crowded;  ///< more have arrived than there are threads
    std::condition_variable went_on;  ///< progress has changed
    std::deque<Work> waiting;
    std::size_t running = 0;
    /// When a thread last began or ended a request, or the store answered it, or the first came
    /// after all were done.
    Clock::time_point progress;
    bool stopping = false;

    std::size_t pending() const { return running + waiting.size(); }
    void go_on() {
      progress = Clock::now();
      went_on.notify_all();
    }
  };

  void run();
  /// Refuses those that wait while the store hangs.
  void watch();
  bool is_late(const State& state) const { return Clock::now() >= state.progress + patience_; }

  const std::chrono::milliseconds patience_;
  const std::size_t most_;
  const std::size_t thread_count_;
  Sync<State> state_;  ///< no work is called, nor dropped, under its lock
  // Of whoever made this, and finish().
  std::vector<std::thread> threads_;
  std::thread watcher_;
};

}  // namespace grantfs
