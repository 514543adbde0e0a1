#include "values/path_range.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/store_paths.h"

namespace grantfs {
namespace {

bool holds(const PathRange& range, std::string_view spelling) {
  return range.begin <= spelling && spelling < range.end;
}

/// Paths around every edge of the ranges below: what sorts just before and after a slash, the
/// highest byte, the longest path.
std::vector<std::string> edges() {
  return {".",
          "a",
          "a\x01",
          "a!",
          "a-b",
          "a.b",
          "a/b",
          "a/b!",
          "a/b/c",
          "a/b0",
          "a/\xff",
          "a0",
          "ab",
          "b",
          "\x01",
          "\xff",
          std::string(255, '\xff'),
          "a/" + std::string(255, '\xff')};
}

TEST(PathRangeTest, OnlyHoldsOnePathAlone) {
  for (const std::string& spelling : edges()) {
    const PathRange range = PathRange::only(spelling);
    for (const std::string& other : edges()) EXPECT_EQ(holds(range, other), other == spelling);
  }
}

TEST(PathRangeTest, BelowHoldsWhatTheFolderCoversButItself) {
  for (const std::string folder : {"a", "a/b", "a0", "\xff"}) {
    const PathRange range = PathRange::below(path(folder));
    for (const std::string& other : edges()) {
      const bool is_below = path(folder).covers(path(other)) && other != folder;
      EXPECT_EQ(holds(range, other), is_below) << folder << " and " << other;
    }
  }
}

TEST(PathRangeTest, BelowTheWholeStoreIsEveryPath) {
  for (const std::string& other : edges()) EXPECT_TRUE(holds(PathRange::below({}), other));
  EXPECT_FALSE(holds(PathRange::below({}), ""));
}

TEST(PathRangeTest, ASubtreeIsThePathAndWhatIsBelow) {
  for (const std::string& folder : edges()) {
    const auto ranges = subtree_ranges(path(folder));
    for (const std::string& other : edges()) {
      const auto found = std::ranges::count_if(
          ranges, [&](const PathRange& range) { return holds(range, other); });
      EXPECT_EQ(found, path(folder).covers(path(other)) ? 1 : 0) << folder << " and " << other;
    }
  }
}

TEST(PathRangeTest, APrefixIsAFolderOfAnotherStoreOrNone) {
  const PathRange range = PathRange::beginning_with("/srv/");
  EXPECT_TRUE(holds(range, "/srv/a"));
  EXPECT_TRUE(holds(range, "/srv/\xff"));
  EXPECT_FALSE(holds(range, "/srv"));
  EXPECT_FALSE(holds(range, "/srv0"));
  EXPECT_TRUE(holds(PathRange::beginning_with({}), std::string(StorePath::kMaxBytes, '\xff')));
}

TEST(PathRangeTest, NothingLiesBetweenAPathAndWhatFollowsIt) {
  EXPECT_EQ(after_path("a"), std::string("a\0", 2));
  EXPECT_LT(std::string("a/\xff"), after_subtree("a"));
  EXPECT_LT(after_path("a"), std::string("a\x01"));
}

}  // namespace
}  // namespace grantfs
