#include "base/new_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <string>

#include "support/temporary_directory.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;

class NewFileTest : public ::testing::Test {
 protected:
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(folder_.path())) {
      found.insert(entry.path().filename().string());
    }
    return found;
  }
  static std::string text_of(const fs::path& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  static void write(const fs::path& file, const std::string& text) { std::ofstream(file) << text; }

  TemporaryDirectory folder_;
  fs::path wanted_ = folder_.path() / "wanted";
};

TEST_F(NewFileTest, IsBesideTheWantedOneUntilItIsKept) {
  write(wanted_, "old");
  {
    NewFile file(wanted_);
    ASSERT_FALSE(file.trouble()) << file.trouble().message();
    EXPECT_EQ(fs::path(file.path()).parent_path(), folder_.path());
    ASSERT_EQ(::write(file.fd().get(), "new", 3), 3);
    EXPECT_EQ(text_of(wanted_), "old");
    ASSERT_FALSE(file.keep());
    EXPECT_EQ(text_of(wanted_), "new");
  }
  EXPECT_EQ(names(), (std::set<std::string>{"wanted"}));
  EXPECT_EQ(text_of(wanted_), "new");
}

TEST_F(NewFileTest, IsForItsOwnerAlone) {
  const mode_t umask_before = ::umask(0);
  NewFile file(wanted_);
  ::umask(umask_before);
  struct stat status = {};
  ASSERT_EQ(::fstat(file.fd().get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  ASSERT_FALSE(file.keep());
  ASSERT_EQ(::stat(wanted_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
}

TEST_F(NewFileTest, IsGoneUnlessItWasKeptWithWhatSqliteHadBesideIt) {
  write(wanted_, "old");
  {
    NewFile file(wanted_);
    file.close();
    for (const char* suffix : {"-journal", "-wal", "-shm"}) write(file.path() + suffix, "x");
    EXPECT_EQ(names().size(), 5U);
  }
  EXPECT_EQ(names(), (std::set<std::string>{"wanted"}));
  EXPECT_EQ(text_of(wanted_), "old");
}

TEST_F(NewFileTest, IsKeptThoughItWasClosed) {
  NewFile file(wanted_);
  file.close();
  write(file.path(), "by its name");
  ASSERT_FALSE(file.keep());
  EXPECT_EQ(text_of(wanted_), "by its name");
}

TEST_F(NewFileTest, SaysWhyThereIsNone) {
  const NewFile file(folder_.path() / "none" / "wanted");
  EXPECT_EQ(file.trouble(), std::errc::no_such_file_or_directory);
  EXPECT_FALSE(file.fd());
}

TEST_F(NewFileTest, WhatCannotBeKeptLeavesTheWantedOneAsItWas) {
  fs::create_directories(wanted_ / "full");
  {
    NewFile file(wanted_);
    ASSERT_FALSE(file.trouble());
    EXPECT_TRUE(file.keep());  // a file takes no folder's place
  }
  EXPECT_EQ(names(), (std::set<std::string>{"wanted"}));
  EXPECT_TRUE(fs::exists(wanted_ / "full"));
}

}  // namespace
}  // namespace grantfs
