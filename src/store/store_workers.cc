#include "store/store_workers.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/quiet_thread.h"

namespace grantfs {

StoreWorkers::StoreWorkers(unsigned threads, std::size_t most, std::chrono::milliseconds patience)
    : patience_(patience), most_(most) {
  threads_.reserve(threads);
  try {
    while (threads_.size() < threads) {
      threads_.push_back(start_quiet_thread("grantfs store", [this] { run(); }));
    }
    watcher_ = start_quiet_thread("grantfs late", [this] { watch(); });
  } catch (const std::exception&) {
    (void)finish();  // those that there are: a thread that is not joined ends the program
    throw;
  }
}

bool StoreWorkers::finish() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  arrived_.notify_all();
  crowded_.notify_all();
  const auto begun = Clock::now();
  while (pending() > 0) {
    const auto end = std::max(begun, progress_) + patience_;
    if (Clock::now() >= end) return false;
    went_on_.wait_until(lock, end);
  }
  lock.unlock();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  if (watcher_.joinable()) watcher_.join();
  return true;
}

bool StoreWorkers::hang() {
  const std::lock_guard guard(mutex_);
  return pending() > 0 && is_late();
}

bool StoreWorkers::submit(Work work) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    work(Turn::kCame);
    return true;
  }
  if (pending() == 0) progress_ = Clock::now();
  const bool crowds = pending() >= threads_.size();
  if (crowds && (is_late() || waiting_.size() >= most_)) return false;
  waiting_.push_back(std::move(work));
  lock.unlock();
  arrived_.notify_one();
  if (crowds) crowded_.notify_one();
  return true;
}

void StoreWorkers::run() {
  const auto went_on = [this] {
    progress_ = Clock::now();
    went_on_.notify_all();
  };
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    {
      const Work work = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_;
      went_on();
      lock.unlock();
      work(Turn::kCame);
    }
    lock.lock();
    --running_;
    went_on();
  }
}

void StoreWorkers::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    crowded_.wait(lock, [this] { return stopping_ || pending() > threads_.size(); });
    crowded_.wait_until(lock, progress_ + patience_, [this] { return stopping_; });
    if (stopping_ || pending() <= threads_.size() || !is_late()) continue;
    const std::deque<Work> late = std::exchange(waiting_, {});
    lock.unlock();
    for (const Work& work : late) work(Turn::kNeverComes);
    lock.lock();
  }
}

}  // namespace grantfs
