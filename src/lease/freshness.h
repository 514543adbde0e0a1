#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

#include "base/boot_time.h"
#include "base/sync.h"
#include "grantfs/result.h"

namespace grantfs {

/// Says until when the policy database counts as current, where it is a copy that a follower keeps
/// of a database elsewhere (the mount option follow=). Past that moment every decision is refused,
/// and nothing that was lent before reaches beyond it. The next report lets decisions be made
/// again.
///
/// Time is CLOCK_BOOTTIME, which nobody can set, and which goes on while the machine is suspended.
/// Thread-safe.
class Freshness {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  /// What a follower says of the copy.
  struct Report {
    Nanoseconds as_of{};            ///< CLOCK_BOOTTIME: the copy has all that was committed by then
    std::int64_t behind_bytes = 0;  ///< of the upstream's log that were not applied at the time
    std::string upstream;           ///< its name, for people
  };

  /// `bound`: how long a report lets decisions be made; zero: always, without any report.
  explicit Freshness(std::chrono::seconds bound, Nanoseconds (*clock)() = boot_time)
      : bound_(bound), clock_(clock) {}

  bool is_bounded() const { return bound_.count() > 0; }
  std::chrono::seconds bound() const { return bound_; }

  /// Takes a report. An older one than the last changes nothing. kInvalid if it is of the future.
  /// True if decisions were refused until now and are no longer.
  Result<bool> take(Report report);

  /// How long decisions may still be made; zero: not any more. Where there is no bound, some hours.
  /// Costs one reading of the clock.
  Nanoseconds left() const;
  bool is_over() const { return left() == Nanoseconds(0); }
  /// The error that refuses a decision, saying why; none while decisions may be made.
  Result<void> check() const;

  /// How old the newest report is; negative: there was none.
  Nanoseconds age() const;
  /// The newest report, of meaning if there was one.
  Report last() const { return *last_.lock(); }

 private:
  static constexpr std::int64_t kNever = -1;

  const std::chrono::seconds bound_;
  Nanoseconds (*const clock_)();
  std::atomic<std::int64_t> as_of_{kNever};
  mutable Sync<Report> last_;
};

}  // namespace grantfs
