#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace grantfs {

/// How many refusals of one source (a view, or a door) are told one by one in a second. Others are
/// counted. Thread-safe, without a lock.
class RefusalLimit {
 public:
  static constexpr std::uint32_t kMostEachSecond = 10;

  /// Whether a refusal is to be told, in that second of CLOCK_REALTIME. Two sources may share a
  /// place by chance, and then share their number.
  bool admits(std::size_t source, std::uint32_t second) noexcept {
    std::atomic<std::uint64_t>& place = places_[source % places_.size()];
    std::uint64_t before = place.load(std::memory_order_relaxed);
    while (true) {
      const bool is_new = static_cast<std::uint32_t>(before >> 32U) != second;
      const std::uint32_t told = is_new ? 0 : static_cast<std::uint32_t>(before);
      if (told >= kMostEachSecond) return false;
      const std::uint64_t after = (std::uint64_t{second} << 32U) | (told + 1);
      if (place.compare_exchange_weak(before, after, std::memory_order_relaxed)) return true;
    }
  }

 private:
  std::array<std::atomic<std::uint64_t>, 1024> places_{};  ///< second and number
};

}  // namespace grantfs
