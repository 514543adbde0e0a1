#include "grantfs/timestamp.h"

#include <gtest/gtest.h>

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
                           "2030-01-31",
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
                           "2030-01-31T12:00:00+0200",
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
