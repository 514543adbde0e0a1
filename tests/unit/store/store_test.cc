#include "store/store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "support/temporary_directory.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    fs::create_directories(root_ / "folder/inner");
    write("folder/file", "four");
    auto store = Store::open(root_, kKey);
    EXPECT_TRUE(store);
    store_ = std::make_unique<Store>(std::move(*store));
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
  }
  static StorePath path(const std::string& text) {
    return StorePath::parse(StorePath::spelling_of(text)).value();
  }

  Result<OpenedFile, Errno> open(const std::string& text) {
    auto located = store_->locate(path(text));
    if (!located) return located.error();
    return store_->open_file(*located, Waiting::kRefused);
  }

  int error_of(const std::string& text) {
    auto found = store_->find(path(text));
    auto opened = open(text);
    // What cannot be found cannot be opened, for the same reason.
    if (!found && !opened) {
      EXPECT_EQ(found.error(), opened.error());
    }
    if (found && opened) return 0;
    return opened ? found.error().value : opened.error().value;
  }

  static constexpr FileIdKey kKey{1, 2, 3};
  TemporaryDirectory directory_;
  fs::path root_ = directory_.path() / "store";
  std::unique_ptr<Store> store_;
};

TEST_F(StoreTest, RegularFilesAndFoldersAreFound) {
  auto file = store_->find(path("folder/file"));
  ASSERT_TRUE(file);
  EXPECT_EQ(file->type, Found::Type::kFile);
  EXPECT_EQ(file->size, 4U);
  auto root = store_->find(StorePath());
  ASSERT_TRUE(root);
  EXPECT_EQ(root->type, Found::Type::kFolder);
}

TEST_F(StoreTest, NothingElseExists) {
  write("../outside", "secret");
  fs::create_symlink("file", root_ / "folder/link");
  fs::create_symlink("../outside", root_ / "escape");
  fs::create_directory_symlink("folder", root_ / "other");
  fs::create_symlink(directory_.path(), root_ / "absolute");
  ASSERT_EQ(::mkfifo((root_ / "fifo").c_str(), 0600), 0);
  for (const char* name : {"folder/link", "escape", "other/file", "absolute/outside", "fifo",
                           "missing", "folder/file/below"}) {
    EXPECT_EQ(error_of(name), ENOENT) << name;
  }
  EXPECT_EQ(error_of(std::string(300, 'n')), ENOENT);
  EXPECT_EQ(error_of("folder"), ENOENT);  // found, but no file to open
  EXPECT_EQ(error_of("folder/file"), 0);
}

TEST_F(StoreTest, AReplacementIsAnotherFileAndALinkIsTheSame) {
  const FileId before = store_->find(path("folder/file"))->id;
  fs::create_hard_link(root_ / "folder/file", root_ / "second");
  EXPECT_EQ(store_->find(path("second"))->id, before);
  fs::rename(root_ / "folder/file", root_ / "moved");
  EXPECT_EQ(store_->find(path("moved"))->id, before);
  write("new", "five!");
  fs::rename(root_ / "new", root_ / "folder/file");
  EXPECT_NE(store_->find(path("folder/file"))->id, before);
}

TEST_F(StoreTest, AnIdentityIsNotTheInodeNumberAndNeedsTheKey) {
  const auto found = store_->find(path("folder/file"));
  struct stat status = {};
  ASSERT_EQ(::stat((root_ / "folder/file").c_str(), &status), 0);
  EXPECT_NE(found->id.high, status.st_ino);
  EXPECT_NE(found->id.low, status.st_ino);
  auto same_key = Store::open(root_, kKey);
  EXPECT_EQ(same_key->find(path("folder/file"))->id, found->id);
  auto other_key = Store::open(root_, FileIdKey{9});
  EXPECT_NE(other_key->find(path("folder/file"))->id, found->id);
}

TEST_F(StoreTest, WhatWasLocatedIsOpenedWhateverBecameOfItsName) {
  auto located = store_->locate(path("folder/file"));
  ASSERT_TRUE(located);
  fs::rename(root_ / "folder/file", root_ / "away");
  fs::create_symlink("/dev/zero", root_ / "folder/file");
  auto opened = store_->open_file(*located, Waiting::kRefused);
  ASSERT_TRUE(opened);
  EXPECT_EQ(store_->examine(*opened, Waiting::kAllowed)->size, 4U);
}

TEST_F(StoreTest, AListingHoldsWhatCanBeFoundAndGoesOnFromAnywhere) {
  fs::create_symlink("file", root_ / "folder/link");
  ASSERT_EQ(::mkfifo((root_ / "folder/fifo").c_str(), 0600), 0);
  for (int i = 0; i < 100; ++i) write("folder/" + std::to_string(i), "");
  auto located = store_->locate(path("folder"));
  ASSERT_TRUE(located);
  auto folder = store_->open_folder(path("folder"), *located);
  ASSERT_TRUE(folder);
  std::vector<std::pair<std::string, off_t>> entries;
  for (auto entry = folder->next(); entry; entry = folder->next()) {
    entries.emplace_back(entry->name, entry->next);
  }
  std::set<std::string> names;
  for (const auto& [name, next] : entries) names.insert(name);
  EXPECT_EQ(names.size(), 104U);  // ".", "..", "file", "inner" and the hundred
  EXPECT_TRUE(names.contains("inner"));
  EXPECT_FALSE(names.contains("link") || names.contains("fifo"));

  folder->seek(entries[50].second);
  auto after = folder->next();
  ASSERT_TRUE(after);
  EXPECT_EQ(after->name, entries[51].first);
}

TEST_F(StoreTest, ReadingLeavesAccessTimesAlone) {
  if (::geteuid() != 0) GTEST_SKIP() << "O_NOATIME on others' files is for root";
  const timespec old[2] = {{1000, 0}, {2000, 0}};
  const auto file = root_ / "folder/file";
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), old, 0), 0);
  auto opened = open("folder/file");
  ASSERT_TRUE(opened);
  char bytes[4];
  ASSERT_EQ(::read(opened->fd.get(), bytes, sizeof bytes), 4);
  struct stat status = {};
  ASSERT_EQ(::stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_atim.tv_sec, 1000);
}

TEST_F(StoreTest, AStoreThatIsNoneIsRefusedByName) {
  for (const auto& wrong : {root_ / "missing", root_ / "folder/file"}) {
    auto store = Store::open(wrong, kKey);
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().kind, ErrorKind::kSystem);
    EXPECT_NE(store.error().message.find(wrong.filename()), std::string::npos);
  }
}

TEST_F(StoreTest, AFileThatWasDeletedWhileItWasOpenHasNoName) {
  // As clients of NFS, of SMB and of FUSE call it until it is closed.
  for (const char* name : {".nfs000000000012ab3400000001", ".smb000000000000001200000001",
                           ".fuse_hidden0000001200000001"}) {
    write(std::string("folder/") + name, "deleted");
    EXPECT_EQ(error_of(std::string("folder/") + name), ENOENT) << name;
  }
  for (const char* name : {".nfs", ".nfs0000000", ".nfs0000000000x", "nfs000000000012ab3400000001",
                           ".nfs-notes", ".fuse_hidden"}) {
    write(std::string("folder/") + name, "a file like others");
    EXPECT_EQ(error_of(std::string("folder/") + name), 0) << name;
  }
  auto folder = store_->open_folder(path("folder"), *store_->locate(path("folder")));
  ASSERT_TRUE(folder);
  std::set<std::string> names;
  for (auto entry = folder->next(); entry; entry = folder->next()) names.emplace(entry->name);
  EXPECT_EQ(names.size(), 10U);  // ".", "..", "file", "inner" and the six
}

/// A file system that others change too, and that is everywhere: procfs.
TEST(StoreOfOthers, IsWalkedStepByStepAndSaysWhy) {
  auto store = Store::open("/proc", FileIdKey{});
  ASSERT_TRUE(store);
  EXPECT_EQ(store->why_asked_anew(),
            "the store is on a file system of type 0x9fa0, which others may change");
  const auto found = [&](const std::string& text) {
    return store->find(StorePath::parse(StorePath::spelling_of(text)).value());
  };
  ASSERT_TRUE(found("sys/kernel/ostype"));
  EXPECT_EQ(found("sys/kernel/ostype")->type, Found::Type::kFile);
  EXPECT_EQ(found("sys/kernel")->type, Found::Type::kFolder);
  EXPECT_EQ(found("")->type, Found::Type::kFolder);
  for (const char* absent : {"sys/none", "none/kernel", "sys/kernel/ostype/below", "self/status",
                             "thread-self", "sys/self"}) {
    const auto nothing = found(absent);
    ASSERT_FALSE(nothing) << absent;
    EXPECT_EQ(nothing.error().value, ENOENT) << absent;
  }
  StorePath deep = StorePath::parse("sys").value();
  while (deep.text().size() <= StorePath::kMaxBytes) deep = deep.child("kernel");
  EXPECT_EQ(store->find(deep).error().value, ENOENT);
}

TEST_F(StoreTest, AFileSystemThatOnlyThisKernelChangesIsNotAskedAnew) {
  struct statfs status = {};
  ASSERT_EQ(::statfs(root_.c_str(), &status), 0);
  if (status.f_type != EXT4_SUPER_MAGIC && status.f_type != TMPFS_MAGIC) GTEST_SKIP();
  EXPECT_EQ(store_->why_asked_anew(), "");
}

class FollowedStoreTest : public StoreTest {
 protected:
  Result<Store::Whereabouts> follow() {
    return store_->follow(root_, Store::open_directory(root_));
  }

  fs::path away_ = directory_.path() / "away";
};

TEST_F(FollowedStoreTest, ADirectoryThatIsWhereItWasStays) {
  const auto before = store_->find(path("folder/file"));
  ASSERT_TRUE(follow());
  EXPECT_EQ(*follow(), Store::Whereabouts::kSame);
  EXPECT_EQ(*store_->find(path("folder/file")), *before);
}

TEST_F(FollowedStoreTest, AStoreThatIsAwayRefusesEverythingUntilItIsThere) {
  const auto located = store_->locate(path("folder/file"));
  auto listing = store_->open_folder(path("folder"), *store_->locate(path("folder")));
  ASSERT_TRUE(listing);
  fs::rename(root_, away_);
  EXPECT_FALSE(follow());
  EXPECT_EQ(error_of("folder/file"), EACCES);
  EXPECT_EQ(error_of("none"), EACCES);
  EXPECT_EQ(store_->open_file(located->handle, Waiting::kRefused).error().value, EACCES);
  EXPECT_EQ(listing->find("file").error().value, EACCES);
  fs::rename(away_, root_);
  EXPECT_EQ(*follow(), Store::Whereabouts::kChanged);
  EXPECT_EQ(error_of("folder/file"), 0);
}

TEST_F(FollowedStoreTest, AnotherDirectoryAtThePathIsServed) {
  const auto old = store_->find(path("folder/file"));
  fs::rename(root_, away_);
  fs::create_directories(root_ / "folder");
  write("folder/file", "other");
  EXPECT_EQ(*follow(), Store::Whereabouts::kChanged);
  const auto now = store_->find(path("folder/file"));
  ASSERT_TRUE(now);
  EXPECT_EQ(now->size, 5U);
  EXPECT_NE(now->id, old->id);
}

TEST_F(FollowedStoreTest, NeitherLinkNorFileTakesItsPlace) {
  fs::rename(root_, away_);
  fs::create_directory_symlink(away_, root_);
  EXPECT_FALSE(follow());
  EXPECT_EQ(error_of("folder/file"), EACCES);
  fs::remove(root_);
  std::ofstream(root_) << "x";
  EXPECT_FALSE(follow());
}

TEST_F(FollowedStoreTest, HandlesOfAFileSystemThatWentAreNotBelievedByTheNext) {
  const auto located = store_->locate(path("folder/file"));
  ASSERT_TRUE(located);
  if (!store_->opens_by_handle()) GTEST_SKIP() << "no file handles here";
  fs::rename(root_, away_);
  EXPECT_FALSE(follow());
  fs::rename(away_, root_);
  ASSERT_TRUE(follow());
  // It may be another disk of the same number: that cannot be told once the old one is let go.
  EXPECT_EQ(store_->open_file(located->handle, Waiting::kRefused).error().value, ESTALE);
  const auto again = store_->locate(path("folder/file"));
  EXPECT_TRUE(store_->open_file(again->handle, Waiting::kRefused));
}

}  // namespace
}  // namespace grantfs
