#include "base/edit_distance.h"

#include <gtest/gtest.h>

namespace grantfs {
namespace {

TEST(EditDistance, CountsWhatWasMistyped) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("grant", "grant"), 0U);
  EXPECT_EQ(edit_distance("", "ls"), 2U);
  EXPECT_EQ(edit_distance("ls", ""), 2U);
  EXPECT_EQ(edit_distance("grant", "gant"), 1U);
  EXPECT_EQ(edit_distance("gant", "grant"), 1U);
  EXPECT_EQ(edit_distance("grent", "grant"), 1U);
  EXPECT_EQ(edit_distance("grnat", "grant"), 1U);
  EXPECT_EQ(edit_distance("lnik", "link"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

}  // namespace
}  // namespace grantfs
