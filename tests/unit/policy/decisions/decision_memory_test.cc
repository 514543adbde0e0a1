#include "policy/decisions/decision_memory.h"

#include <gtest/gtest.h>

#include "support/at.h"

namespace grantfs {
namespace {

using Name = DecisionMemory::Name;
const Name kA{Name::Kind::kPrincipal, "user:a"};
const Name kB{Name::Kind::kPrincipal, "user:b"};
const Name kUser{Name::Kind::kPrincipal, "user:"};

StorePath spelled(std::string_view text) {
  return StorePath::parse(StorePath::spelling_of(text)).value();
}

TEST(DecisionMemoryTest, AnAnswerCountsFromWhenItWasFoundUntilItsExpiry) {
  DecisionMemory memory;
  memory.keep(kA, "x", Decision{Access::kRead, at(20)}, at(10));
  EXPECT_EQ(memory.decision(kA, spelled("x"), at(9)), nullptr);
  ASSERT_NE(memory.decision(kA, spelled("x"), at(10)), nullptr);
  EXPECT_NE(memory.decision(kA, spelled("x"), at(19)), nullptr);
  EXPECT_EQ(memory.decision(kA, spelled("x"), at(20)), nullptr);
}

TEST(DecisionMemoryTest, WhoMayReadAFolderMayReadWhatIsInIt) {
  DecisionMemory memory;
  memory.keep(kA, "x", Decision{Access::kRead, {}}, at(10));
  EXPECT_NE(memory.decision(kA, spelled("x/y/z"), at(10)), nullptr);
  EXPECT_EQ(memory.decision(kA, spelled("xy"), at(10)), nullptr);
  EXPECT_EQ(memory.decision(kA, spelled(""), at(10)), nullptr);
  memory.keep(kA, "", Decision{Access::kRead, {}}, at(10));
  EXPECT_NE(memory.decision(kA, spelled("xy"), at(10)), nullptr);
}

TEST(DecisionMemoryTest, AWayThroughAFolderIsNoAnswerForWhatIsInIt) {
  DecisionMemory memory;
  memory.keep(kA, "x", Decision{Access::kPassage, {}}, at(10));
  EXPECT_NE(memory.decision(kA, spelled("x"), at(10)), nullptr);
  EXPECT_EQ(memory.decision(kA, spelled("x/y"), at(10)), nullptr);
}

TEST(DecisionMemoryTest, AnAnswerIsForTheOneWhoAskedAlone) {
  DecisionMemory memory;
  memory.keep(kA, "x", Decision{Access::kRead, {}}, at(10));
  EXPECT_EQ(memory.decision(kB, spelled("x"), at(10)), nullptr);
  EXPECT_EQ(memory.decision(kUser, spelled("a/x"), at(10)), nullptr);
}

TEST(DecisionMemoryTest, HoldingsCountUntilTheFirstOfThemEnds) {
  DecisionMemory memory;
  memory.keep(kA, Holdings{{"user:a", 0, true, {}}, {"group:g", 0, true, at(15)}}, at(10));
  ASSERT_NE(memory.holdings(kA, at(14)), nullptr);
  EXPECT_EQ(memory.holdings(kA, at(14))->size(), 2U);
  EXPECT_EQ(memory.holdings(kA, at(15)), nullptr);
}

TEST(DecisionMemoryTest, NothingIsLeftAfterClear) {
  DecisionMemory memory;
  memory.keep(kA, "x", Decision{Access::kRead, {}}, at(10));
  memory.keep(kA, Holdings{{"user:a", 0, true, {}}}, at(10));
  memory.clear();
  EXPECT_EQ(memory.decision(kA, spelled("x"), at(10)), nullptr);
  EXPECT_EQ(memory.holdings(kA, at(10)), nullptr);
}

TEST(DecisionMemoryTest, ItNeverHoldsMoreThanItsBound) {
  DecisionMemory memory;
  const auto name = [](std::size_t i) { return spelled("x" + std::to_string(i)); };
  for (std::size_t i = 0; i <= DecisionMemory::kMostKept; ++i) {
    memory.keep(kA, name(i).text(), Decision{Access::kRead, {}}, at(10));
  }
  EXPECT_EQ(memory.decision(kA, name(0), at(10)), nullptr);
  EXPECT_NE(memory.decision(kA, name(DecisionMemory::kMostKept), at(10)), nullptr);
}

TEST(DecisionMemoryTest, ASystemUserHasNoName) {
  EXPECT_FALSE(DecisionMemory::name_of(SystemUser{7}));
  EXPECT_EQ(DecisionMemory::name_of(Anyone{}), (Name{Name::Kind::kPrincipal, "public"}));
  const TokenHash id = TokenHash::of("token");
  const auto from = Address::parse("192.0.2.1").value();
  const Identity session = SessionBearer{.session = id};
  const Identity link = LinkBearer{.link = id};
  const Identity session_from = SessionBearer{.session = id, .from = from};
  EXPECT_NE(DecisionMemory::name_of(session), DecisionMemory::name_of(link));
  EXPECT_NE(DecisionMemory::name_of(session), DecisionMemory::name_of(session_from));
}

}  // namespace
}  // namespace grantfs
