#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "base/quiet_thread.h"
#include "base/sync.h"

namespace grantfs::follow {

/// A thread that works on the newest of what it is given. What comes while it works takes the place
/// of what waits: only the last matters.
template <class Work>
class LatestWorker {
 public:
  /// `name` as start_quiet_thread() takes it. If `work` throws, for lack of memory, it is called
  /// again with the same a moment later, unless something newer waits by then.
  LatestWorker(const char* name, std::function<void(const Work&)> work)
      : work_(std::move(work)), thread_(start_quiet_thread(name, [this] { run(); })) {}
  /// Waits for the work under way.
  ~LatestWorker() {
    {
      auto state = state_.lock();
      state->ends = true;
      state->arrived.notify_all();
    }
    thread_.join();
  }
  LatestWorker(const LatestWorker&) = delete;
  LatestWorker& operator=(const LatestWorker&) = delete;

  void give(Work work) {
    auto state = state_.lock();
    state->waiting = std::move(work);
    state->arrived.notify_all();
  }

 private:
  struct State {
    std::optional<Work> waiting;
    bool ends = false;
    std::condition_variable arrived;
  };

  void run() {
    while (true) {
      std::optional<Work> work;
      {
        auto state = state_.lock();
        state.wait(state->arrived, [&] { return state->ends || state->waiting; });
        if (state->ends) return;
        work = std::exchange(state->waiting, std::nullopt);
      }
      try {
        work_(*work);
      } catch (const std::exception&) {
        put_back(std::move(*work));
      }
    }
  }

  /// Leaves it to be done again, after a pause in which there may be memory again.
  void put_back(Work work) {
    constexpr std::chrono::milliseconds kPause{100};
    auto state = state_.lock();
    state.wait_until(state->arrived, std::chrono::steady_clock::now() + kPause,
                     [&] { return state->ends || state->waiting; });
    if (!state->waiting) state->waiting = std::move(work);
  }

  const std::function<void(const Work&)> work_;
  Sync<State> state_;
  std::thread thread_;
};

}  // namespace grantfs::follow
