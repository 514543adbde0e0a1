#pragma once

#include <mutex>
#include <utility>

namespace grantfs {

/// A mutex that whoever has much to do under it can hand on: an unlock() and a lock() in turn would
/// have it back before those who wait have woken up.
class YieldingMutex {
 public:
  void lock() {
    if (mutex_.try_lock()) return;
    const std::lock_guard next(next_);
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }
  /// Unlocks, and locks again once somebody who waits has had it. Cheap if nobody does.
  void yield() {
    mutex_.unlock();
    const std::lock_guard next(next_);
    mutex_.lock();
  }

 private:
  std::mutex mutex_;
  std::mutex next_;  ///< held by the one who gets it next
};

/// Data that can be reached only through its lock:
///
///     Sync<Table> table_;
///     auto table = table_.lock();   // holds the lock while `table` lives
///     table->insert(...);
template <class T, class Mutex = std::mutex>
class Sync {
 public:
  class Lock {
   public:
    T* operator->() { return data_; }
    T& operator*() { return *data_; }
    /// Lets others in who wait (YieldingMutex). What was found in the data may be gone.
    void yield() { lock_.mutex()->yield(); }

   private:
    friend class Sync;
    Lock(Mutex& mutex, T& data) : lock_(mutex), data_(&data) {}

    std::unique_lock<Mutex> lock_;
    T* data_;
  };

  Sync() = default;
  explicit Sync(T data) : data_(std::move(data)) {}

  Lock lock() { return Lock(mutex_, data_); }

 private:
  Mutex mutex_;
  T data_;
};

}  // namespace grantfs
