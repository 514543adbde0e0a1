#include "store/known_files.h"

#include <gtest/gtest.h>

namespace grantfs {
namespace {

constexpr timespec kAsked{1'000'000, 500};
constexpr KnownFiles::Key kOld{8, 1, 42, {999'000, 7}};
const KnownFiles::Known kKnown{FileId{1, 2}, FileHandle("handle")};

TEST(KnownFiles, AFileIsFoundByDeviceInodeAndBirthTimeTogether) {
  KnownFiles files;
  files.keep(kOld, kKnown, kAsked);
  ASSERT_TRUE(files.find(kOld));
  EXPECT_EQ(files.find(kOld)->id, kKnown.id);
  EXPECT_EQ(files.find(kOld)->handle, kKnown.handle);
  auto other = kOld;
  ++other.born.tv_nsec;
  EXPECT_FALSE(files.find(other));
  other = kOld;
  ++other.born.tv_sec;
  EXPECT_FALSE(files.find(other));
  other = kOld;
  ++other.inode;
  EXPECT_FALSE(files.find(other));
  other = kOld;
  ++other.device_major;
  EXPECT_FALSE(files.find(other));
  other = kOld;
  ++other.device_minor;
  EXPECT_FALSE(files.find(other));
}

TEST(KnownFiles, AFileAsYoungAsAClockTickIsNotKept) {
  // Another may be born in the same tick, with the same inode number.
  KnownFiles files;
  for (const time_t age : {-10, 0, 1, 2}) {
    auto young = kOld;
    young.born.tv_sec = kAsked.tv_sec - age;
    files.keep(young, kKnown, kAsked);
    EXPECT_FALSE(files.find(young)) << age;
  }
}

TEST(KnownFiles, WhereAnotherClockSetsTheTimesAFileIsYoungForLonger) {
  constexpr std::chrono::seconds kDifference{60};
  const KnownFiles files(kDifference);
  const auto ago = [](time_t seconds) { return timespec{kAsked.tv_sec - seconds, kAsked.tv_nsec}; };
  EXPECT_FALSE(files.is_told_apart(ago(-30), kAsked));
  EXPECT_FALSE(files.is_told_apart(ago(62), kAsked));
  EXPECT_TRUE(files.is_told_apart(ago(63), kAsked));
  EXPECT_TRUE(KnownFiles().is_told_apart(ago(3), kAsked));
}

TEST(KnownFiles, WhatHasNoHandleIsNotKept) {
  KnownFiles files;
  files.keep(kOld, {FileId{1, 2}, FileHandle()}, kAsked);
  EXPECT_FALSE(files.find(kOld));
}

TEST(KnownFiles, TheOneThatCameLastIsKept) {
  KnownFiles files;
  files.keep(kOld, kKnown, kAsked);
  auto newer = kOld;
  newer.born.tv_sec += 10;  // the inode number was used again
  files.keep(newer, {FileId{3, 4}, FileHandle("other")}, kAsked);
  EXPECT_FALSE(files.find(kOld));
  EXPECT_EQ(files.find(newer)->handle.view(), "other");
}

}  // namespace
}  // namespace grantfs
