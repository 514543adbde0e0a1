#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace grantfs {

/// How long those waited who asked for what was committed to be recalled (Recaller::catch_up()):
/// a histogram. One thread adds; any thread reads, each number by itself.
class RecallTimes {
 public:
  /// The upper bounds of its classes, but for the last class, which has none.
  static constexpr std::array<std::chrono::microseconds, 13> kBounds{
      std::chrono::microseconds(250), std::chrono::microseconds(500),
      std::chrono::milliseconds(1),   std::chrono::microseconds(2500),
      std::chrono::milliseconds(5),   std::chrono::milliseconds(10),
      std::chrono::milliseconds(25),  std::chrono::milliseconds(50),
      std::chrono::milliseconds(100), std::chrono::milliseconds(250),
      std::chrono::milliseconds(500), std::chrono::milliseconds(1000),
      std::chrono::milliseconds(5000)};

  void add(std::chrono::nanoseconds took) {
    const auto reached = std::ranges::lower_bound(kBounds, took);
    ++counts_.at(static_cast<std::size_t>(reached - kBounds.begin()));
    nanoseconds_ += static_cast<std::uint64_t>(std::max(took.count(), std::int64_t{0}));
  }

  /// How many fell into the class; the last one is what exceeded all bounds.
  std::uint64_t count(std::size_t which) const { return counts_.at(which); }
  /// All of them together.
  std::chrono::microseconds total() const {
    constexpr std::uint64_t kPerMicrosecond = 1000;
    return std::chrono::microseconds(nanoseconds_ / kPerMicrosecond);
  }

 private:
  std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
  std::atomic<std::uint64_t> nanoseconds_{0};
};

}  // namespace grantfs
