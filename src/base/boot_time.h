#pragma once

#include <chrono>
#include <ctime>

namespace grantfs {

/// The time since this machine was booted, by CLOCK_BOOTTIME: nobody can set it, and it goes on
/// while the machine is suspended. Costs one reading of the clock.
inline std::chrono::nanoseconds boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

}  // namespace grantfs
