#include "grantfs/timestamp.h"

#include <fmt/chrono.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "base/quote.h"

namespace grantfs {
namespace {

using std::chrono::seconds;

/// Reads exactly `width` digits off the front, or any number of them for width 0.
std::optional<std::int64_t> take_number(std::string_view& text, std::size_t width) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  if (digits == 0 || (width != 0 && digits < width)) return std::nullopt;
  if (width != 0) digits = width;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char expected) {
  if (text.empty() || text.front() != expected) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<seconds> parse_span(std::string_view text) {
  const auto number = take_number(text, 0);
  if (!number || text.size() != 1) return std::nullopt;
  std::int64_t unit = 0;
  switch (text.front()) {
    case 's':
      unit = 1;
      break;
    case 'm':
      unit = 60;
      break;
    case 'h':
      unit = 3600;
      break;
    case 'd':
      unit = 86400;
      break;
    default:
      return std::nullopt;
  }
  if (*number > kLastTimestamp.time_since_epoch().count() / unit) return std::nullopt;
  return seconds{*number * unit};
}

/// Reads `Z` or `+HH:MM`, `-HH:MM`, `+HHMM`, `-HHMM`, which must end the text.
std::optional<seconds> parse_zone(std::string_view text) {
  if (text == "Z") return seconds{0};
  const bool east = take(text, '+');
  if (!east && !take(text, '-')) return std::nullopt;
  const auto hours = take_number(text, 2);
  if (!hours) return std::nullopt;
  (void)take(text, ':');
  const auto minutes = take_number(text, 2);
  if (!minutes || !text.empty() || *hours > 23 || *minutes > 59) return std::nullopt;
  const seconds offset{*hours * 3600 + *minutes * 60};
  return east ? offset : -offset;
}

/// Reads `YYYY-MM-DD` off the front.
std::optional<std::chrono::year_month_day> take_date(std::string_view& text) {
  const auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  const auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  const auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  return date.ok() ? std::optional(date) : std::nullopt;
}

/// Reads the seconds behind `HH:MM`, if there are any: `:SS` and a fraction. The fraction is
/// dropped.
std::optional<std::int64_t> take_seconds(std::string_view& text) {
  if (!take(text, ':')) return 0;
  const auto second = take_number(text, 2);
  if (second && take(text, '.')) {
    const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  return second;
}

/// Reads the extended format of ISO 8601 (RFC 3339). Seconds and their fraction are optional; the
/// zone may have a colon or none.
std::optional<Timestamp> parse_iso8601(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !take(text, 'T')) return std::nullopt;
  const auto hour = take_number(text, 2);
  if (!hour || !take(text, ':')) return std::nullopt;
  const auto minute = take_number(text, 2);
  if (!minute) return std::nullopt;
  const auto second = take_seconds(text);
  const auto zone = parse_zone(text);
  if (!second || !zone || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return std::chrono::sys_days(*date) + seconds{*hour * 3600 + *minute * 60 + *second} - *zone;
}

/// The end of a day in the machine's time zone: the beginning of the next day.
std::optional<Timestamp> parse_day(std::string_view text) {
  const auto date = take_date(text);
  if (!date || !text.empty()) return std::nullopt;
  std::tm next{};
  next.tm_year = static_cast<int>(date->year()) - 1900;
  next.tm_mon = static_cast<int>(static_cast<unsigned>(date->month())) - 1;
  next.tm_mday =
      static_cast<int>(static_cast<unsigned>(date->day())) + 1;  // mktime(3) carries over
  next.tm_isdst = -1;
  const std::time_t end = std::mktime(&next);
  // Where clocks go forward at midnight, the next day may begin at 01:00.
  return end == -1 ? std::nullopt : std::optional(Timestamp(seconds{end}));
}

}  // namespace

Timestamp system_now() {
  return std::chrono::floor<seconds>(std::chrono::system_clock::now());
}

Result<Timestamp> parse_when(std::string_view text, Timestamp now) {
  std::optional<Timestamp> time = parse_iso8601(text);
  if (!time) time = parse_day(text);
  if (!time) {
    if (const auto span = parse_span(text)) time = now + *span;
  }
  if (!time) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format(
            "{} is not a time; write a span (90s, 15m, 8h, 7d), an ISO 8601 time with "
            "its zone (2030-01-31T12:00:00Z), or a day (2030-01-31), of which it is the end",
            quoted(text))};
  }
  if (*time <= now) {
    return Error{ErrorKind::kInvalid, fmt::format("{} is not in the future (it is {} now)",
                                                  quoted(text), format_timestamp(now))};
  }
  if (*time > kLastTimestamp) {
    return Error{ErrorKind::kInvalid, fmt::format("{} is too far in the future", quoted(text))};
  }
  return *time;
}

bool is_day(std::string_view text) {
  return parse_day(text).has_value();
}

std::string format_timestamp(Timestamp time) {
  const std::time_t seconds_since_epoch = time.time_since_epoch().count();
  std::tm broken_down{};
  ::gmtime_r(&seconds_since_epoch, &broken_down);
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", broken_down);
}

}  // namespace grantfs
