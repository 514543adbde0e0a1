#include "policy/decisions/decision_memory.h"

#include <gtest/gtest.h>

namespace grantfs {
namespace {

constexpr Timestamp at(std::int64_t seconds) {
  return Timestamp{std::chrono::seconds{seconds}};
}

StorePath path(std::string_view text) {
  return StorePath::parse(StorePath::spelling_of(text)).value();
}

TEST(DecisionMemoryTest, AnAnswerCountsFromWhenItWasFoundUntilItsExpiry) {
  DecisionMemory memory;
  memory.keep("user:a", path("x"), Decision{Access::kRead, at(20)}, at(10));
  EXPECT_EQ(memory.decision("user:a", path("x"), at(9)), nullptr);
  ASSERT_NE(memory.decision("user:a", path("x"), at(10)), nullptr);
  EXPECT_NE(memory.decision("user:a", path("x"), at(19)), nullptr);
  EXPECT_EQ(memory.decision("user:a", path("x"), at(20)), nullptr);
}

TEST(DecisionMemoryTest, WhoMayReadAFolderMayReadWhatIsInIt) {
  DecisionMemory memory;
  memory.keep("user:a", path("x"), Decision{Access::kRead, {}}, at(10));
  EXPECT_NE(memory.decision("user:a", path("x/y/z"), at(10)), nullptr);
  EXPECT_EQ(memory.decision("user:a", path("xy"), at(10)), nullptr);
  EXPECT_EQ(memory.decision("user:a", path(""), at(10)), nullptr);
  memory.keep("user:a", path(""), Decision{Access::kRead, {}}, at(10));
  EXPECT_NE(memory.decision("user:a", path("xy"), at(10)), nullptr);
}

TEST(DecisionMemoryTest, AWayThroughAFolderIsNoAnswerForWhatIsInIt) {
  DecisionMemory memory;
  memory.keep("user:a", path("x"), Decision{Access::kPassage, {}}, at(10));
  EXPECT_NE(memory.decision("user:a", path("x"), at(10)), nullptr);
  EXPECT_EQ(memory.decision("user:a", path("x/y"), at(10)), nullptr);
}

TEST(DecisionMemoryTest, AnAnswerIsForTheOneWhoAskedAlone) {
  DecisionMemory memory;
  memory.keep("user:a", path("x"), Decision{Access::kRead, {}}, at(10));
  EXPECT_EQ(memory.decision("user:b", path("x"), at(10)), nullptr);
  EXPECT_EQ(memory.decision("user:", path("a/x"), at(10)), nullptr);
}

TEST(DecisionMemoryTest, HoldingsCountUntilTheFirstOfThemEnds) {
  DecisionMemory memory;
  memory.keep("user:a", Holdings{{"user:a", 0, true, {}}, {"group:g", 0, true, at(15)}}, at(10));
  ASSERT_NE(memory.holdings("user:a", at(14)), nullptr);
  EXPECT_EQ(memory.holdings("user:a", at(14))->size(), 2U);
  EXPECT_EQ(memory.holdings("user:a", at(15)), nullptr);
}

TEST(DecisionMemoryTest, NothingIsLeftAfterClear) {
  DecisionMemory memory;
  memory.keep("user:a", path("x"), Decision{Access::kRead, {}}, at(10));
  memory.keep("user:a", Holdings{{"user:a", 0, true, {}}}, at(10));
  memory.clear();
  EXPECT_EQ(memory.decision("user:a", path("x"), at(10)), nullptr);
  EXPECT_EQ(memory.holdings("user:a", at(10)), nullptr);
}

TEST(DecisionMemoryTest, ItNeverHoldsMoreThanItsBound) {
  DecisionMemory memory;
  const auto name = [](std::size_t i) { return path("x" + std::to_string(i)); };
  for (std::size_t i = 0; i <= DecisionMemory::kMostKept; ++i) {
    memory.keep("user:a", name(i), Decision{Access::kRead, {}}, at(10));
  }
  EXPECT_EQ(memory.decision("user:a", name(0), at(10)), nullptr);
  EXPECT_NE(memory.decision("user:a", name(DecisionMemory::kMostKept), at(10)), nullptr);
}

TEST(DecisionMemoryTest, ASystemUserHasNoName) {
  EXPECT_EQ(DecisionMemory::name_of(SystemUser{7}), "");
  EXPECT_EQ(DecisionMemory::name_of(Anyone{}), "public");
  const TokenHash id = TokenHash::of("token");
  const auto from = Address::parse("192.0.2.1").value();
  EXPECT_NE(DecisionMemory::name_of(SessionBearer{.session = id}),
            DecisionMemory::name_of(LinkBearer{.link = id}));
  EXPECT_NE(DecisionMemory::name_of(SessionBearer{.session = id}),
            DecisionMemory::name_of(SessionBearer{.session = id, .from = from}));
}

}  // namespace
}  // namespace grantfs
