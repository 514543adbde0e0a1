#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace grantfs {

/// Threads for what has to wait for a disk, so that the threads that the kernel's requests arrive
/// on never do. They are quiet (start_quiet_thread()). Thread-safe.
class ReadWorkers {
 public:
  explicit ReadWorkers(unsigned threads);
  ~ReadWorkers() { finish(); }
  ReadWorkers(const ReadWorkers&) = delete;
  ReadWorkers& operator=(const ReadWorkers&) = delete;

  /// After finish(), `work` is done on this thread.
  void submit(std::function<void()> work);
  /// Returns when everything submitted is done.
  void finish();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace grantfs
