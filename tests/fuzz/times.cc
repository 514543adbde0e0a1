// Times as people write them: what is taken lies ahead, and means the same when it is written out.
#include <cstdint>

#include "fuzz.h"
#include "grantfs/timestamp.h"
#include "schema_rows.h"

namespace grantfs::fuzz {

void try_input(std::string_view input) {
  static SchemaRows rows;
  constexpr Timestamp kNow{std::chrono::seconds{1'700'000'000}};
  constexpr Timestamp kLongAgo{};
  const auto time = parse_when(input, kNow);
  if (!time) {
    require(is_one_line(time.error().message), "a refusal is one line");
    return;
  }
  require(*time > kNow && *time <= kLastTimestamp,
          "a time that is taken lies ahead, and not beyond the last");
  require(rows.take("INSERT INTO grants (principal, path, expires) VALUES ('user:a', 'a', ?)",
                    std::int64_t{time->time_since_epoch().count()}),
          "SQLite's CHECK takes what was read");
  const auto again = parse_when(format_timestamp(*time), kLongAgo);
  require(again && *again == *time, "a time that is written out is the same when it is read");
  // A span is counted from now, and nothing else is.
  const auto later = parse_when(input, kNow + std::chrono::seconds{1});
  const bool is_span = input.find_first_of("-T") == std::string_view::npos;
  require(!later || *later - *time == std::chrono::seconds{is_span ? 1 : 0},
          "a span alone counts from now");
  require(!is_day(input) || !is_span, "a day is no span");
}

}  // namespace grantfs::fuzz
