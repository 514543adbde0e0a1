#include "grantfs/store_path.h"

#include <gtest/gtest.h>

#include "base/quote.h"
#include "support/samples.h"
#include "support/store_paths.h"

namespace grantfs {
namespace {

TEST(StorePath, CanonicalPathsAreReadAsTheyAre) {
  for (const std::string& text : samples::good_paths()) {
    auto parsed = StorePath::parse(text);
    ASSERT_TRUE(parsed) << quoted(text);
    EXPECT_EQ(parsed->spelling(), text);
  }
}

TEST(StorePath, EverythingElseIsRefusedAsInvalid) {
  for (const std::string& text : samples::bad_paths()) {
    auto parsed = StorePath::parse(text);
    ASSERT_FALSE(parsed) << quoted(text);
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
  }
}

TEST(StorePath, ADotIsTheWholeStoreAndNothingAtAllIsNoPath) {
  EXPECT_TRUE(StorePath().is_root());
  EXPECT_EQ(path("."), StorePath());
  EXPECT_EQ(StorePath().spelling(), ".");
  EXPECT_FALSE(StorePath::parse(""));
  EXPECT_EQ(StorePath().parent(), StorePath());
  EXPECT_EQ(StorePath().name(), "");
  EXPECT_EQ(StorePath().child("a").text(), "a");
}

TEST(StorePath, ParentNameAndChildFitTogether) {
  EXPECT_EQ(path("a/b").parent(), path("a"));
  EXPECT_EQ(path("a").parent(), StorePath());
  EXPECT_EQ(path("a/b").name(), "b");
  EXPECT_EQ(path("a").child("b"), path("a/b"));
}

TEST(StorePath, AFolderCoversWhatLiesBelowItButNotItsNamesakes) {
  EXPECT_TRUE(path("a").covers(path("a")));
  EXPECT_TRUE(path("a").covers(path("a/b/c")));
  EXPECT_TRUE(StorePath().covers(path("a")));
  EXPECT_FALSE(path("a").covers(path("ab")));
  EXPECT_FALSE(path("a").covers(path("a.txt")));
  EXPECT_FALSE(path("a/b").covers(path("a")));
  EXPECT_FALSE(path("a").covers(StorePath()));
}

TEST(StorePath, AncestorsComeNearestFirstAndEndWithTheRoot) {
  const StorePath at = path("a/b/c");
  EXPECT_EQ(at.self_and_ancestors(), (std::vector<std::string_view>{"a/b/c", "a/b", "a", ""}));
  EXPECT_EQ(StorePath().self_and_ancestors(), (std::vector<std::string_view>{""}));
}

TEST(StorePath, ANameIsOneComponent) {
  EXPECT_TRUE(StorePath::is_name("a"));
  EXPECT_TRUE(StorePath::is_name("..."));
  EXPECT_TRUE(StorePath::is_name(std::string(255, 'n')));
  EXPECT_FALSE(StorePath::is_name(std::string(256, 'n')));
  EXPECT_FALSE(StorePath::is_name(""));
  EXPECT_FALSE(StorePath::is_name("."));
  EXPECT_FALSE(StorePath::is_name(".."));
  EXPECT_FALSE(StorePath::is_name("a/b"));
  EXPECT_FALSE(StorePath::is_name(samples::bytes("a\0")));
}

TEST(StorePath, NamesJoinInOrder) {
  const std::vector<std::string> names{"a", "b", "c"};
  EXPECT_EQ(StorePath::join(names.begin(), names.end()), path("a/b/c"));
  EXPECT_EQ(StorePath::join(names.begin(), names.begin()), StorePath());
}

TEST(StorePathDeathTest, WhatIsNoNameHasNoChild) {
#ifdef NDEBUG
  GTEST_SKIP() << "this build has no assert()";
#endif
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const std::string& name : {std::string("a/b"), std::string(".."), std::string(256, 'n')}) {
    EXPECT_DEATH(path("a").child(name), "is_name") << name;
    const std::vector<std::string> names{"a", name};
    EXPECT_DEATH(StorePath::join(names.begin(), names.end()), "is_name") << name;
  }
}

}  // namespace
}  // namespace grantfs
