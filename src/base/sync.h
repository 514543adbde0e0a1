#pragma once

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <utility>

namespace grantfs {

/// A mutex for what is done in less time than a thread takes to fall asleep and wake up: whoever
/// has to wait tries for a moment first (PTHREAD_MUTEX_ADAPTIVE_NP). No condition variable goes
/// with it.
class BriefMutex {
 public:
  BriefMutex() = default;
  ~BriefMutex() { ::pthread_mutex_destroy(&mutex_); }
  BriefMutex(const BriefMutex&) = delete;
  BriefMutex& operator=(const BriefMutex&) = delete;

  void lock() { ::pthread_mutex_lock(&mutex_); }
  bool try_lock() { return ::pthread_mutex_trylock(&mutex_) == 0; }
  void unlock() { ::pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t mutex_ = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
};

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
  BriefMutex mutex_;
  BriefMutex next_;  ///< held by the one who gets it next
};

/// Data that can be reached only through its lock:
///
///     Sync<Table> table_;
///     auto table = table_.lock();   // holds the lock while `table` lives
///     table->insert(...);
///
/// A thread waits for the data to change on a condition variable that is part of it. The predicate
/// is asked under the lock:
///
///     struct Queue { std::deque<Work> waiting; std::condition_variable arrived; };
///     auto queue = queue_.lock();
///     queue.wait(queue->arrived, [&] { return !queue->waiting.empty(); });
///
/// HACKING, "The order of locks", says which lock may be taken under which.
template <class T, class Mutex = std::mutex>
class Sync {
 public:
  class Lock {
   public:
    T* operator->() { return data_; }
    T& operator*() { return *data_; }
    /// Lets others in who wait (YieldingMutex). What was found in the data may be gone.
    void yield() { lock_.mutex()->yield(); }
    /// Lets others in until `is_so()`.
    template <class Predicate>
    void wait(std::condition_variable& changed, Predicate is_so) {
      changed.wait(lock_, is_so);
    }
    /// The same, until `end` at the latest; whether it is so.
    template <class Time, class Predicate>
    bool wait_until(std::condition_variable& changed, const Time& end, Predicate is_so) {
      return changed.wait_until(lock_, end, is_so);
    }
    /// Lets others in while `action()` runs, and locks again, also if that throws. What was found
    /// in the data may be gone.
    template <class Action>
    auto unlocked(Action action) {
      struct Relock {
        std::unique_lock<Mutex>& lock;
        explicit Relock(std::unique_lock<Mutex>& held) : lock(held) { lock.unlock(); }
        ~Relock() { lock.lock(); }
        Relock(const Relock&) = delete;
        Relock& operator=(const Relock&) = delete;
      };
      const Relock relock(lock_);
      return action();
    }

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
