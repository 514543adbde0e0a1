#pragma once

#include <future>
#include <thread>

namespace grantfs {

/// Ends the program 5 s after begin(), if it has not ended by itself by then: the mount has gone,
/// but a thread may wait for a store that hangs, or for the disk of the record of accesses. The
/// destructor calls that off.
class EndWatch {
 public:
  EndWatch() = default;
  ~EndWatch();
  EndWatch(const EndWatch&) = delete;
  EndWatch& operator=(const EndWatch&) = delete;

  /// Call it once, when all is to end. Without memory for a thread, the program may have to wait.
  void begin();

 private:
  std::promise<void> ended_;
  std::thread thread_;
};

}  // namespace grantfs
