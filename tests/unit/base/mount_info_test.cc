#include "base/mount_info.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace grantfs {
namespace {

std::vector<MountInfo> parsed(const std::string& text) {
  std::istringstream lines(text);
  return parse_mount_info(lines);
}

TEST(MountInfo, ALineIsReadByItsFields) {
  const auto mounts = parsed(
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n"
      "99 36 0:57 / /srv/files ro,nosuid - fuse.grantfs /srv/private ro\n");
  ASSERT_EQ(mounts.size(), 2U);
  EXPECT_EQ(mounts[0].id, 36U);
  EXPECT_EQ(mounts[0].device, "98:0");
  EXPECT_EQ(mounts[0].root, "/mnt1");
  EXPECT_EQ(mounts[0].point, "/mnt2");
  EXPECT_EQ(mounts[0].type, "ext3");
  EXPECT_EQ(mounts[1].id, 99U);
  EXPECT_EQ(mounts[1].point, "/srv/files");
  EXPECT_EQ(mounts[1].type, "fuse.grantfs");
}

TEST(MountInfo, OptionalFieldsMayBeNoneOrMany) {
  EXPECT_EQ(parsed("1 2 3:4 / /a rw - tmpfs none rw").at(0).type, "tmpfs");
  EXPECT_EQ(parsed("1 2 3:4 / /a rw shared:7 master:8 unbindable - xfs none rw").at(0).type, "xfs");
  // A mount point may be a dash; what ends the optional fields stands behind it.
  EXPECT_EQ(parsed("1 2 3:4 / /- rw - tmpfs none rw").at(0).point, "/-");
}

TEST(MountInfo, EscapesOfPathsAreUndoneAndNothingElse) {
  const auto mounts = parsed(
      "1 2 3:4 /a\\040b /c\\011d\\012e\\134f rw - tmpfs none rw\n"
      "1 2 3:4 / /\\134040 rw - tmpfs none rw\n"
      "1 2 3:4 / /x\\04 rw - tmpfs none rw\n"
      "1 2 3:4 / /x\\08y rw - tmpfs none rw\n");
  ASSERT_EQ(mounts.size(), 4U);
  EXPECT_EQ(mounts[0].root, "/a b");
  EXPECT_EQ(mounts[0].point, "/c\td\ne\\f");
  EXPECT_EQ(mounts[1].point, "/\\040");  // once
  EXPECT_EQ(mounts[2].point, "/x\\04");
  EXPECT_EQ(mounts[3].point, "/x\\08y");
}

TEST(MountInfo, WhatIsNoLineIsLeftOut) {
  EXPECT_TRUE(parsed("").empty());
  EXPECT_TRUE(parsed("\n\nnonsense\n").empty());
  EXPECT_TRUE(parsed("x 2 3:4 / /a rw - tmpfs none rw").empty());
  EXPECT_TRUE(parsed("1 2 3:4 / /a rw shared:7").empty());
  EXPECT_TRUE(parsed("1 2 3:4 / /a rw -").empty());
  EXPECT_EQ(parsed("nonsense\n1 2 3:4 / /a rw - tmpfs none rw").size(), 1U);
}

TEST(MountInfo, TheRootOfThisProcessIsMounted) {
  bool found = false;
  for (const MountInfo& mount : read_mount_info()) found = found || mount.point == "/";
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace grantfs
