#include "fuse/read_workers.h"

#include <exception>
#include <utility>

#include "base/quiet_thread.h"

namespace grantfs {

ReadWorkers::ReadWorkers(unsigned threads) {
  threads_.reserve(threads);
  try {
    while (threads_.size() < threads) {
      threads_.push_back(start_quiet_thread("grantfs read", [this] { run(); }));
    }
  } catch (const std::exception&) {
    finish();  // those that there are: a thread that is not joined ends the program
    throw;
  }
}

void ReadWorkers::finish() {
  {
    const std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  arrived_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReadWorkers::submit(std::function<void()> work) {
  std::unique_lock lock(mutex_);
  if (stopping_) {
    lock.unlock();
    work();
    return;
  }
  waiting_.push_back(std::move(work));
  lock.unlock();
  arrived_.notify_one();
}

void ReadWorkers::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    arrived_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

}  // namespace grantfs
