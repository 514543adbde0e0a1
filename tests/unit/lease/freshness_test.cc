#include "lease/freshness.h"

#include <gtest/gtest.h>

namespace grantfs {
namespace {

using namespace std::chrono_literals;
using Nanoseconds = std::chrono::nanoseconds;

class FreshnessTest : public ::testing::Test {
 protected:
  static Nanoseconds clock() { return now_; }

  /// Takes a report of the copy as of `as_of`.
  Result<bool> report(Nanoseconds as_of) { return freshness_.take({as_of, 7, "db1"}); }

  static inline Nanoseconds now_{};
  Freshness freshness_{10s, clock};

  FreshnessTest() { now_ = 1000s; }
};

TEST_F(FreshnessTest, WithoutABoundEverythingIsCurrent) {
  const Freshness none(0s, clock);
  EXPECT_TRUE(none.check());
  EXPECT_GE(none.left(), 1h);
}

TEST_F(FreshnessTest, NothingIsCurrentBeforeTheFirstReport) {
  EXPECT_TRUE(freshness_.is_over());
  EXPECT_FALSE(freshness_.check());
  EXPECT_LT(freshness_.age(), 0s);
}

TEST_F(FreshnessTest, AReportLastsForTheBoundFromItsMoment) {
  now_ = 1003s;
  EXPECT_EQ(report(1000s).value(), true);
  EXPECT_EQ(freshness_.left(), 7s);
  EXPECT_EQ(freshness_.age(), 3s);
  EXPECT_EQ(freshness_.last().upstream, "db1");
  now_ = 1010s - 1ns;
  EXPECT_TRUE(freshness_.check());
  now_ = 1010s;
  EXPECT_FALSE(freshness_.check());
  EXPECT_EQ(report(1009s).value(), true);
  EXPECT_TRUE(freshness_.check());
}

TEST_F(FreshnessTest, AnOlderReportChangesNothing) {
  ASSERT_TRUE(report(1000s));
  EXPECT_EQ(report(999s).value(), false);
  EXPECT_EQ(freshness_.left(), 10s);
}

TEST_F(FreshnessTest, AReportThatCameTooLateLetsNothingBeDecided) {
  EXPECT_EQ(report(990s).value(), false);
  EXPECT_TRUE(freshness_.is_over());
}

TEST_F(FreshnessTest, AReportOfTheFutureIsRefused) {
  EXPECT_FALSE(report(1000s + 1ns));
  EXPECT_FALSE(report(-1ns));
  EXPECT_TRUE(freshness_.is_over());
}

}  // namespace
}  // namespace grantfs
