#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <ctime>

namespace grantfs {

/// What of a file tells one from another, and one state of it from another: a mask for statx(2).
inline constexpr unsigned kSightingMask =
    STATX_TYPE | STATX_SIZE | STATX_MTIME | STATX_CTIME | STATX_INO | STATX_BTIME;

inline timespec to_timespec(const statx_timestamp& time) {
  return {time.tv_sec, static_cast<long>(time.tv_nsec)};
}

/// Since 1970.
inline std::int64_t to_nanoseconds(const timespec& time) {
  constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
  return time.tv_sec * kNanosecondsPerSecond + time.tv_nsec;
}

/// CLOCK_REALTIME, by which file systems set the times of files.
inline timespec realtime() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

}  // namespace grantfs
