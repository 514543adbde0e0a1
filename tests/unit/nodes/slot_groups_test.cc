#include "nodes/slot_groups.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <vector>

namespace grantfs {
namespace {

std::vector<Slot> of(const SlotGroups& groups, std::uint64_t group) {
  std::vector<Slot> slots;
  groups.each(group, [&](Slot slot) { slots.push_back(slot); });
  return slots;
}

TEST(SlotGroups, AGroupHasItsSlotsOldestFirst) {
  SlotGroups groups;
  EXPECT_EQ(groups.oldest(7), 0U);
  const auto first = groups.add(7, 1);
  EXPECT_EQ(groups.slot_at(first), 1U);
  EXPECT_EQ(groups.group_of(first), 7U);
  groups.add(7, 2);
  groups.add(8, 3);
  groups.add(7, 4);
  EXPECT_EQ(of(groups, 7), (std::vector<Slot>{1, 2, 4}));
  EXPECT_EQ(of(groups, 8), std::vector<Slot>{3});
  groups.remove(first);
  EXPECT_EQ(groups.oldest(7), 2U);
  EXPECT_EQ(groups.size(), 3U);
}

TEST(SlotGroups, NoPlaceIsRemovedAsNothing) {
  SlotGroups groups;
  groups.remove(0);
  EXPECT_EQ(groups.size(), 0U);
}

TEST(SlotGroups, AsANaiveModelInAnyOrder) {
  const std::uint64_t seed = std::random_device()();
  fmt::print("seed {}\n", seed);
  std::mt19937_64 random(seed);
  const auto below = [&](std::size_t end) { return static_cast<std::size_t>(random() % end); };
  SlotGroups groups;
  std::map<std::uint64_t, std::deque<std::pair<SlotGroups::Place, Slot>>> model;
  std::size_t size = 0;
  for (Slot slot = 1; slot < 20'000; ++slot) {
    const bool grows = slot / 5'000 % 2 == 0;
    const std::uint64_t group = below(200) < 100 ? 1 : below(500);
    auto& members = model[group];
    if (below(4) < (grows ? 3U : 1U) || members.empty()) {
      members.emplace_back(groups.add(group, slot), slot);
      ++size;
    } else {
      const auto gone = members.begin() + static_cast<std::ptrdiff_t>(below(members.size()));
      groups.remove(gone->first);
      members.erase(gone);
      --size;
    }
    ASSERT_EQ(groups.size(), size) << "seed " << seed;
    std::vector<Slot> want;
    for (const auto& [place, each] : members) want.push_back(each);
    if (slot % 16 == 0) {
      ASSERT_EQ(of(groups, group), want) << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace grantfs
