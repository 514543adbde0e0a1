#include "grantfs/timestamp.h"

#include <gtest/gtest.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): tzset()

#include <cstdlib>

namespace grantfs {
namespace {

using std::chrono::seconds;

constexpr Timestamp kNow{seconds{1'700'000'000}};  // 2023-11-14T22:13:20Z

std::int64_t when(std::string_view text) {
  auto time = parse_when(text, kNow);
  EXPECT_TRUE(time) << text << ": " << time.error().message;
  return time ? time->time_since_epoch().count() : -1;
}

TEST(Timestamp, SpansCountFromNow) {
  EXPECT_EQ(when("90s"), 1'700'000'090);
  EXPECT_EQ(when("15m"), 1'700'000'900);
  EXPECT_EQ(when("8h"), 1'700'028'800);
  EXPECT_EQ(when("7d"), 1'700'604'800);
  EXPECT_EQ(when("007d"), 1'700'604'800);
}

TEST(Timestamp, Iso8601TimesAreReadInTheirZone) {
  EXPECT_EQ(when("2030-01-31T12:00:00Z"), 1'896'091'200);
  EXPECT_EQ(when("2030-01-31T12:00Z"), 1'896'091'200);
  EXPECT_EQ(when("2030-01-31T14:00:00+02:00"), 1'896'091'200);
  EXPECT_EQ(when("2030-01-31T06:30:00-05:30"), 1'896'091'200);
  EXPECT_EQ(when("2028-02-29T00:00:00Z"), 1'835'395'200);
}

TEST(Timestamp, WhatMachinesPrintIsRead) {
  EXPECT_EQ(when("2030-01-31T12:00:00.788Z"), 1'896'091'200);          // JavaScript
  EXPECT_EQ(when("2030-01-31T12:00:00.123456+00:00"), 1'896'091'200);  // Python
  EXPECT_EQ(when("2030-01-31T12:00:00+00:00"), 1'896'091'200);         // date --iso-8601=seconds
  EXPECT_EQ(when("2030-01-31T14:00:00+0200"), 1'896'091'200);          // strftime(3), %z
  EXPECT_EQ(when("2030-01-31T12:00:00.123456789Z"), 1'896'091'200);    // Go
  EXPECT_EQ(when("2030-01-31T06:30-0530"), 1'896'091'200);
}

class TimeZone {
 public:
  explicit TimeZone(const char* zone) {
    ::setenv("TZ", zone, 1);  // NOLINT(concurrency-mt-unsafe)
    ::tzset();
  }
  ~TimeZone() {
    ::unsetenv("TZ");  // NOLINT(concurrency-mt-unsafe)
    ::tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;
};

TEST(Timestamp, ADayIsItsEndWhereTheMachineIs) {
  EXPECT_TRUE(is_day("2030-01-31"));
  for (const char* text : {"2030-01-31T12:00:00Z", "7d", "2030-02-30", "tomorrow"}) {
    EXPECT_FALSE(is_day(text)) << text;
  }
  {
    const TimeZone utc("UTC0");
    EXPECT_EQ(when("2030-01-31"), 1'896'134'400);  // 2030-02-01T00:00:00Z
    EXPECT_EQ(when("2028-02-28"), 1'835'395'200);  // 2028-02-29T00:00:00Z
    EXPECT_EQ(when("2029-12-31"), 1'893'456'000);
    EXPECT_EQ(when("2023-11-14"), 1'700'006'400);  // today
    EXPECT_FALSE(parse_when("2023-11-13", kNow));
  }
  {
    const TimeZone east("CET-1CEST,M3.5.0,M10.5.0/3");
    EXPECT_EQ(when("2030-01-31"), 1'896'130'800);  // 2030-01-31T23:00:00Z
    EXPECT_EQ(when("2030-07-31"), 1'911'765'600);  // 2030-07-31T22:00:00Z
    EXPECT_FALSE(parse_when("2023-11-14", Timestamp{seconds{1'700'002'800}}));
  }
}

TEST(Timestamp, WhatIsNoTimeIsRefused) {
  for (const char* text : {"",
                           "s",
                           "90",
                           "90 s",
                           " 90s",
                           "90s ",
                           "-90s",
                           "+90s",
                           "1.5h",
                           "90S",
                           "1w",
                           "90ss",
                           "1h30m",
                           "tomorrow",
                           "2030-01-31T12:00:00",
                           "2030-01-31 12:00:00Z",
                           "2030-01-31T12:00:00z",
                           "2030-1-31T12:00:00Z",
                           "2030-02-29T12:00:00Z",
                           "2030-13-01T12:00:00Z",
                           "2030-00-01T12:00:00Z",
                           "2030-01-32T12:00:00Z",
                           "2030-01-31T24:00:00Z",
                           "2030-01-31T12:60:00Z",
                           "2030-01-31T12:00:60Z",
                           "2030-01-31T12:00:00+24:00",
                           "2030-01-31T12:00:00+02",
                           "2030-01-31T12:00:00+020",
                           "2030-01-31T12:00:00.Z",
                           "2030-01-31T12:00:00.5",
                           "2030-01-31T12:00:00,5Z",
                           "2030-01-31T12:00.5Z",
                           "2030-01-31Z",
                           "2030-02-30",
                           "2030-01-31T",
                           "2030-01-31T12:00:00Zx",
                           "2030-01-31T12Z",
                           "20300131T120000Z",
                           "1893456000",
                           "99999999999999999999d",
                           "9223372036854775807s"}) {
    auto time = parse_when(text, kNow);
    ASSERT_FALSE(time) << text;
    EXPECT_EQ(time.error().kind, ErrorKind::kInvalid) << text;
  }
}

TEST(Timestamp, ATimeThatIsNotInTheFutureIsRefused) {
  EXPECT_FALSE(parse_when("0s", kNow));
  EXPECT_FALSE(parse_when("2023-11-14T22:13:20Z", kNow));
  EXPECT_FALSE(parse_when("1999-01-01T00:00:00Z", kNow));
  EXPECT_TRUE(parse_when("2023-11-14T22:13:21Z", kNow));
}

TEST(Timestamp, ATimeBeyondWhatTheDatabaseHoldsIsRefused) {
  EXPECT_TRUE(parse_when("98299999999s", kNow));
  EXPECT_FALSE(parse_when("98300000000s", kNow));
  EXPECT_TRUE(parse_when("5138-11-16T09:46:39Z", kNow));
  EXPECT_FALSE(parse_when("5138-11-16T09:46:40Z", kNow));
  EXPECT_FALSE(parse_when("9999-12-31T23:59:59Z", kNow));
}

TEST(Timestamp, TimesAreWrittenInUtc) {
  EXPECT_EQ(format_timestamp(kNow), "2023-11-14T22:13:20Z");
  EXPECT_EQ(format_timestamp(Timestamp{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_timestamp(kLastTimestamp), "5138-11-16T09:46:39Z");
}

TEST(Timestamp, NothingLivesAtItsExpiry) {
  EXPECT_TRUE(is_live(std::nullopt, kNow));
  EXPECT_TRUE(is_live(kNow + seconds{1}, kNow));
  EXPECT_FALSE(is_live(kNow, kNow));
  EXPECT_FALSE(is_live(kNow - seconds{1}, kNow));
}

}  // namespace
}  // namespace grantfs
