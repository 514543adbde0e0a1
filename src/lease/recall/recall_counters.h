#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <numeric>

#include "lease/recall/recall_times.h"

namespace grantfs {

/// The reasons for recalling everything that was lent.
enum class RecallOfEverything : std::uint8_t {
  kTrouble,     ///< the database could not be read
  kClockSet,    ///< what expires later than a lease is not listed
  kNotVouched,  ///< this program did not keep up: see Recaller::vouch()
  kTooMuch,     ///< more was lent than could be decided anew in time
  kStore,       ///< the store is another one by now, or away
  kNotCurrent,  ///< the database, a copy, does not count as current any more
  kStoodStill,  ///< this program was stopped for a while: see Recaller::note_standstill()
};
inline constexpr std::array kRecallOfEverythingNames{
    "trouble", "clock_set", "not_vouched", "too_much", "store", "not_current", "stood_still"};

/// The reasons for deciding anew what was lent: one for each Unexplained, and one for the files in
/// steady use alone.
inline constexpr std::array kReviewNames{"foreign_commit", "schema", "position_lost", "too_many",
                                         "keys",           "source", "steady_files"};

/// Counts since the start.
struct RecallCounters {
  std::atomic<std::uint64_t> recalls{0};  ///< times that something had to be forgotten
  std::atomic<std::uint64_t> entries{0};  ///< entries that the kernel was told to forget
  /// Times that it was told to forget everything, by RecallOfEverything.
  std::array<std::atomic<std::uint64_t>, kRecallOfEverythingNames.size()> everything{};
  /// Times that what was lent was decided anew, in the order of kReviewNames.
  std::array<std::atomic<std::uint64_t>, kReviewNames.size()> reviews{};
  RecallTimes times;

  std::uint64_t all_of_everything() const {
    return std::accumulate(everything.begin(), everything.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& count) { return sum + count; });
  }
};

}  // namespace grantfs
