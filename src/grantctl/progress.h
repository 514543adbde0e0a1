#pragma once

#include <unistd.h>

#include <cstdint>
#include <iostream>
#include <string_view>

namespace grantctl {

/// Shows on a terminal how many of something have been dealt with; elsewhere it shows nothing.
class Progress {
 public:
  /// `what`: "rows read". It must outlive the object.
  explicit Progress(std::string_view what) : what_(what), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void count() {
    constexpr std::int64_t kBetween = 10'000;
    if (++count_ % kBetween == 0 && shown_) std::cerr << '\r' << count_ << ' ' << what_;
  }
  void say(std::string_view what) {
    if (shown_) std::cerr << '\r' << count_ << ' ' << what_ << "; " << what;
  }
  void clear() {
    constexpr std::string_view kEraseLine = "\r\x1b[K";
    if (shown_) std::cerr << kEraseLine;
  }

 private:
  const std::string_view what_;
  const bool shown_;
  std::int64_t count_ = 0;
};

}  // namespace grantctl
