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
  } catch (const std::exception&) {
    (void)finish();  // those that there are: a thread that is not joined ends the program
    throw;
  }
}

bool StoreWorkers::finish() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  arrived_.notify_all();
  const auto begun = Clock::now();
  while (running_ + waiting_.size() > 0) {
    const auto end = std::max(begun, progress_) + patience_;
    if (Clock::now() >= end) return false;
    went_on_.wait_until(lock, end);
  }
  lock.unlock();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  return true;
}

bool StoreWorkers::hang() {
  const std::lock_guard guard(mutex_);
  return running_ + waiting_.size() > 0 && Clock::now() >= progress_ + patience_;
}

bool StoreWorkers::submit(Work work) {
  std::unique_lock lock(mutex_);
  while (!stopping_ && running_ + waiting_.size() >= most_) {
    if (Clock::now() >= progress_ + patience_) return false;
    went_on_.wait_until(lock, progress_ + patience_);
  }
  if (stopping_) {
    lock.unlock();
    work();
    return true;
  }
  if (running_ + waiting_.size() == 0) progress_ = Clock::now();
  waiting_.push_back(std::move(work));
  lock.unlock();
  arrived_.notify_one();
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
      work();
    }
    lock.lock();
    --running_;
    went_on();
  }
}

}  // namespace grantfs
