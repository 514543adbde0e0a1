#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/sync.h"

namespace grantfs {

/// The files and folders that clients hold open, each from the reply to its open until its release,
/// or until the end of the mount if that comes first. The kernel hands our pointer back with every
/// request (fuse_file_info::fh), so using a handle takes no lock. Thread-safe.
template <class T>
class HandleSet {
 public:
  /// Keeps the handle; the number stands for it until drop().
  std::uint64_t keep(std::unique_ptr<T> handle) {
    T* pointer = handle.get();
    handles_.lock()->emplace(pointer, std::move(handle));
    return reinterpret_cast<std::uint64_t>(pointer);
  }

  static T* get(std::uint64_t number) {
    return reinterpret_cast<T*>(number);  // NOLINT(performance-no-int-to-ptr): all libfuse keeps
  }

  void drop(std::uint64_t number) {
    std::unique_ptr<T> dropped;  // declared first: it goes last, outside the lock
    auto handles = handles_.lock();
    const auto found = handles->find(get(number));
    if (found == handles->end()) return;
    dropped = std::move(found->second);
    handles->erase(found);
  }

  void clear() {
    std::unordered_map<T*, std::unique_ptr<T>> gone;  // outside the lock
    gone.swap(*handles_.lock());
  }

  std::size_t size() { return handles_.lock()->size(); }

 private:
  Sync<std::unordered_map<T*, std::unique_ptr<T>>> handles_;
};

}  // namespace grantfs
