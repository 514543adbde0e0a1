#pragma once

#include <mutex>
#include <utility>

namespace grantfs {

/// Data that can be reached only through its lock:
///
///     Sync<Table> table_;
///     auto table = table_.lock();   // holds the lock while `table` lives
///     table->insert(...);
template <class T>
class Sync {
 public:
  class Lock {
   public:
    T* operator->() { return data_; }
    T& operator*() { return *data_; }

   private:
    friend class Sync;
    Lock(std::mutex& mutex, T& data) : lock_(mutex), data_(&data) {}

    std::unique_lock<std::mutex> lock_;
    T* data_;
  };

  Sync() = default;
  explicit Sync(T data) : data_(std::move(data)) {}

  Lock lock() { return Lock(mutex_, data_); }

 private:
  std::mutex mutex_;
  T data_;
};

}  // namespace grantfs
