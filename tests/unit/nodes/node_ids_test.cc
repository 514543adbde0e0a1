#include "nodes/node_ids.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

namespace grantfs {
namespace {

/// As the table numbers its nodes one after the other: a counter above, a slot below.
std::vector<std::uint64_t> numbers(std::size_t how_many) {
  std::vector<std::uint64_t> made;
  for (std::uint64_t i = 1; i <= how_many; ++i) made.push_back(i << 32U | (i + 1));
  return made;
}

TEST(NodeIdsTest, AnIdLeadsBackToItsNumberAndToNoOther) {
  const NodeIds ids;
  std::set<NodeId> seen;
  for (const std::uint64_t number : numbers(100'000)) {
    const NodeId id = ids.id_of(number);
    ASSERT_EQ(ids.number_of(id), number);
    ASSERT_GT(id, kRootNode);
    ASSERT_TRUE(seen.insert(id).second) << number;
  }
  for (const std::uint64_t number :
       {std::uint64_t{2}, ~std::uint64_t{0}, std::uint64_t{1} << 63U}) {
    EXPECT_EQ(ids.number_of(ids.id_of(number)), number);
    EXPECT_EQ(ids.id_of(ids.number_of(number)), number);  // whatever the kernel might ask for
  }
}

TEST(NodeIdsTest, TheRootIsTheRoot) {
  EXPECT_EQ(NodeIds().number_of(kRootNode), kRootNode);
}

TEST(NodeIdsTest, EachTableHasItsOwn) {
  EXPECT_NE(NodeIds().id_of(2), NodeIds().id_of(2));
}

TEST(NodeIdsTest, IdsDoNotTellHowManyCameInBetween) {
  const NodeIds ids;
  constexpr std::size_t kHowMany = 20'000;
  std::vector<NodeId> made;
  for (const std::uint64_t number : numbers(kHowMany)) made.push_back(ids.id_of(number));
  std::size_t rising = 0;
  std::size_t changed_bits = 0;
  std::set<std::uint64_t> steps;
  for (std::size_t i = 1; i < made.size(); ++i) {
    if (made[i] > made[i - 1]) ++rising;
    changed_bits += static_cast<std::size_t>(std::popcount(made[i] ^ made[i - 1]));
    steps.insert(made[i] - made[i - 1]);
  }
  EXPECT_EQ(steps.size(), made.size() - 1);
  // Six standard deviations: sqrt(n/12) of the ascents of a random sequence, sqrt(64 n)/2 of bits.
  EXPECT_NEAR(static_cast<double>(rising), kHowMany / 2.0, 6 * 41);
  EXPECT_NEAR(static_cast<double>(changed_bits), kHowMany * 32.0, 6 * 566);
}

}  // namespace
}  // namespace grantfs
