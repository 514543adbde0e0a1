#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "grantfs/result.h"

namespace grantfs {

/// A moment in UTC, to the second, as the database stores it (Unix time).
using Timestamp = std::chrono::sys_seconds;

/// The time at which a right ends; none means never. At that very second it has ended.
using Expiry = std::optional<Timestamp>;

/// The last moment the schema accepts (year 5138): anything later is milliseconds by mistake.
inline constexpr Timestamp kLastTimestamp{std::chrono::seconds{99'999'999'999}};

/// Where the present comes from: CLOCK_REALTIME in programs, a variable in tests.
using Clock = std::function<Timestamp()>;

/// CLOCK_REALTIME, whole seconds, rounded down.
Timestamp system_now();

/// Reads WHEN: a span from `now` (`90s`, `15m`, `8h`, `7d`); an ISO 8601 time with its zone
/// (`2030-01-31T12:00:00Z`, `2030-01-31T12:00+02:00`, `2030-01-31T12:00:00.788+0200`; seconds may
/// be left out, a fraction of one is dropped); or a day (`2030-01-31`), which is its end by the
/// machine's time zone (tzset(3)). kInvalid for anything else, for a time without a zone, and for a
/// time that is not after `now`.
Result<Timestamp> parse_when(std::string_view text, Timestamp now);
/// Whether parse_when() takes the text for a day, and so for the end of that day.
bool is_day(std::string_view text);

/// `2030-01-31T12:00:00Z`
std::string format_timestamp(Timestamp time);

/// Whether a right with that expiry still stands at `now`.
inline bool is_live(const Expiry& expires, Timestamp now) {
  return !expires || *expires > now;
}

}  // namespace grantfs
