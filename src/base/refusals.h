#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>

#include "base/errno.h"

namespace grantfs {

/// Counts refusals since the start, at the places where their errors are made. Each count is read
/// by itself; together they are no snapshot. Thread-safe.
class Refusals {
 public:
  /// The policy says no.
  Errno deny(int error) {
    denials_.fetch_add(1, std::memory_order_relaxed);
    return Errno{error, /*is_denial=*/true};
  }
  /// Deciding or looking failed. What is missing, or must be waited for, is not counted.
  Errno fail(int error) {
    if (error != ENOENT && error != EWOULDBLOCK) errors_.fetch_add(1, std::memory_order_relaxed);
    return Errno{error};
  }

  std::uint64_t denials() const { return denials_.load(std::memory_order_relaxed); }
  std::uint64_t errors() const { return errors_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> denials_{0};
  std::atomic<std::uint64_t> errors_{0};
};

}  // namespace grantfs
