#include "store/store_workers.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/quiet_thread.h"

namespace grantfs {

StoreWorkers::StoreWorkers(unsigned threads, std::size_t most, std::chrono::milliseconds patience,
                           const char* name)
    : patience_(patience), most_(most), thread_count_(threads) {
  threads_.reserve(threads);
  try {
    while (threads_.size() < threads) {
      threads_.push_back(start_quiet_thread(name, [this] { run(); }));
    }
    watcher_ = start_quiet_thread("grantfs late", [this] { watch(); });
  } catch (const std::exception&) {
    (void)finish();  // join the threads begun so far: a thread that is not joined ends the program
    throw;
  }
}

bool StoreWorkers::finish() {
  {
    auto state = state_.lock();
    state->stopping = true;
    state->arrived.notify_all();
    state->crowded.notify_all();
    const auto begun = Clock::now();
    while (state->pending() > 0) {
      const auto seen = state->progress;
      const bool went_on = state.wait_until(state->went_on, std::max(begun, seen) + patience_, [&] {
        return state->progress != seen || state->pending() == 0;
      });
      if (!went_on) return false;
    }
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (watcher_.joinable()) watcher_.join();
  return true;
}

bool StoreWorkers::hang() {
  auto state = state_.lock();
  return state->pending() > 0 && is_late(*state);
}

bool StoreWorkers::submit(Work work) {
  {
    auto state = state_.lock();
    if (!state->stopping) {
      if (state->pending() == 0) state->progress = Clock::now();
      const bool crowds = state->pending() >= thread_count_;
      if (crowds && (is_late(*state) || state->waiting.size() >= most_)) return false;
      state->waiting.push_back(std::move(work));
      state->arrived.notify_one();
      if (crowds) state->crowded.notify_one();
      return true;
    }
  }
  work(Turn::kCame);
  return true;
}

void StoreWorkers::run() {
  auto state = state_.lock();
  while (true) {
    state.wait(state->arrived, [&] { return state->stopping || !state->waiting.empty(); });
    if (state->waiting.empty()) return;
    Work next = std::move(state->waiting.front());
    state->waiting.pop_front();
    ++state->running;
    state->go_on();
    state.unlocked([&next] {
      const Work work = std::move(next);  // destroyed after the lock is free
      work(Turn::kCame);
    });
    --state->running;
    state->go_on();
  }
}

void StoreWorkers::watch() {
  auto state = state_.lock();
  const auto is_stopping = [&] { return state->stopping; };
  while (!state->stopping) {
    state.wait(state->crowded, [&] { return state->stopping || state->pending() > thread_count_; });
    state.wait_until(state->crowded, state->progress + patience_, is_stopping);
    if (state->stopping || state->pending() <= thread_count_ || !is_late(*state)) continue;
    std::deque<Work> late = std::exchange(state->waiting, {});
    state.unlocked([&late] {
      for (const Work& work : late) work(Turn::kNeverComes);
      late.clear();
    });
  }
}

}  // namespace grantfs
