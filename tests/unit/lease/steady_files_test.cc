#include "lease/steady_files.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "support/temporary_directory.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class SteadyFilesTest : public testing::Test {
 protected:
  SteadyFilesTest() {
    fs::create_directories(root_ / "folder");
    for (const char* name : {"folder/file", "folder/beside", "top"}) write(name, "four");
    store_ = std::make_unique<Store>(std::move(*Store::open(root_, FileIdKey{7})));
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }
  Sighting sight(const std::string& text) {
    const auto path = *StorePath::parse(text);
    const auto folder = store_->locate(path.parent());
    const auto sighting = Store::sight(folder->fd, std::string(path.name()).c_str());
    EXPECT_TRUE(sighting) << text;
    return sighting.value_or(Sighting{});
  }
  SteadyFiles::Use use(NodeId node, const std::string& path, const std::string& name = "name") {
    return {node, *StorePath::parse(path), sight(path), {1, name}, now_, now_ + 30s};
  }
  StoreChanges check() { return files_.check(*store_, now_); }

  TemporaryDirectory directory_;
  fs::path root_ = directory_.path() / "store";
  std::unique_ptr<Store> store_;
  SteadyFiles files_;
  SteadyFiles::Time now_ = std::chrono::steady_clock::now();
};

TEST_F(SteadyFilesTest, WhatIsAsItWasIsKeptUntilItIsOver) {
  ASSERT_TRUE(files_.keep(use(2, "folder/file")));
  ASSERT_TRUE(files_.keep(use(3, "top")));
  EXPECT_EQ(files_.until(2), now_ + 30s);
  EXPECT_TRUE(check().nodes.empty());
  EXPECT_EQ(files_.size(), 2U);
  now_ += 30s;
  EXPECT_FALSE(files_.seen(now_));
  EXPECT_TRUE(check().nodes.empty());
  EXPECT_EQ(files_.size(), 0U);
  EXPECT_FALSE(files_.until(2));
}

TEST_F(SteadyFilesTest, WhateverBecomesOfAFileItsNamesAreForgottenOnce) {
  const std::vector<std::pair<const char*, std::function<void()>>> changes{
      {"longer", [&] { write("folder/file", "longer"); }},
      {"as long, and later", [&] { write("folder/file", "five!!"); }},
      {"with the time and size that it had",
       [&] {
         const auto then = fs::last_write_time(root_ / "folder/file");
         write("folder/file", "six!!!");
         fs::last_write_time(root_ / "folder/file", then);
       }},
      {"replaced",
       [&] {
         write("new", "five!!");
         fs::last_write_time(root_ / "new", fs::last_write_time(root_ / "folder/file"));
         fs::rename(root_ / "new", root_ / "folder/file");
       }},
      {"a link to it", [&] {
         fs::rename(root_ / "folder/file", root_ / "moved");
         fs::create_symlink("../moved", root_ / "folder/file");
       }}};
  for (const auto& [what, change] : changes) {
    SCOPED_TRACE(what);
    ASSERT_TRUE(files_.keep(use(2, "folder/file", "one")));
    ASSERT_TRUE(files_.keep(use(2, "folder/file", "another")));
    ASSERT_TRUE(files_.keep(use(2, "folder/file", "one")));
    ASSERT_TRUE(files_.keep(use(3, "folder/beside")));
    change();
    const auto found = check();
    EXPECT_EQ(found.nodes, std::vector<NodeId>{2});
    EXPECT_EQ(found.entries, (std::vector<KernelEntry>{{1, "one"}, {1, "another"}}));
    EXPECT_TRUE(check().nodes.empty());
    EXPECT_EQ(files_.size(), 1U);
  }
}

TEST_F(SteadyFilesTest, AFolderThatIsGoneOrALinkTakesItsFilesWithIt) {
  ASSERT_TRUE(files_.keep(use(2, "folder/file")));
  ASSERT_TRUE(files_.keep(use(3, "top")));
  fs::rename(root_ / "folder", root_ / "moved");
  fs::create_directory_symlink("moved", root_ / "folder");
  EXPECT_EQ(check().nodes, std::vector<NodeId>{2});
}

TEST_F(SteadyFilesTest, AfterAPauseOnlyWhatWasSeenLaterIsKept) {
  files_.pause(now_ + 1s);
  EXPECT_FALSE(files_.keep(use(2, "top")));
  now_ += 1s;
  EXPECT_TRUE(files_.keep(use(2, "top")));
}

TEST_F(SteadyFilesTest, ThereIsRoomForSoManyNames) {
  for (std::size_t i = 0; i < SteadyFiles::kMostEntries; ++i) {
    ASSERT_TRUE(files_.keep(use(2, "top", std::to_string(i))));
  }
  EXPECT_FALSE(files_.keep(use(3, "folder/file")));
  files_.drop(2);
  files_.limit(true);
  EXPECT_FALSE(files_.keep(use(3, "folder/file")));
  files_.limit(false);
  EXPECT_TRUE(files_.keep(use(3, "folder/file")));
  EXPECT_FALSE(files_.keep(use(3, "folder/beside")));  // by one path alone
}

TEST_F(SteadyFilesTest, AllWasSeenWhenTheFirstWasUntilItIsSeenAgain) {
  EXPECT_FALSE(files_.seen(now_));
  const auto begun = now_;
  ASSERT_TRUE(files_.keep(use(2, "top")));
  now_ += 1s;
  ASSERT_TRUE(files_.keep(use(3, "folder/file")));
  EXPECT_EQ(files_.seen(now_), begun);
  files_.seen_again(now_);
  EXPECT_EQ(files_.seen(now_), now_);
  files_.seen_again(begun);  // late, and no news
  EXPECT_EQ(files_.seen(now_), now_);
}

TEST_F(SteadyFilesTest, AFileBornJustNowIsNotSightedNorOneThatChangedMeanwhile) {
  const auto located = store_->locate(*StorePath::parse("top"));
  ASSERT_TRUE(located);
  EXPECT_FALSE(store_->sight(*located));
}

}  // namespace
}  // namespace grantfs
