#include "grantfs/principal.h"

#include <gtest/gtest.h>

#include "base/quote.h"
#include "support/samples.h"

namespace grantfs {
namespace {

TEST(Principal, TheCanonicalSpellingsAreRead) {
  for (const std::string& text : samples::good_principals()) {
    auto principal = Principal::parse(text);
    ASSERT_TRUE(principal) << quoted(text);
    EXPECT_EQ(principal->text(), text);
  }
}

TEST(Principal, EverythingElseIsRefusedAsInvalid) {
  for (const std::string& text : samples::bad_principals()) {
    auto principal = Principal::parse(text);
    ASSERT_FALSE(principal) << quoted(text);
    EXPECT_EQ(principal.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Principal, KindAndNameAreTakenApart) {
  EXPECT_EQ(Principal::parse("user:a:b")->kind(), Principal::Kind::kUser);
  EXPECT_EQ(Principal::parse("user:a:b")->name(), "a:b");
  EXPECT_EQ(Principal::parse("group:g")->kind(), Principal::Kind::kGroup);
  EXPECT_EQ(Principal::parse("uid:7")->kind(), Principal::Kind::kUid);
  EXPECT_EQ(Principal::parse("gid:7")->name(), "7");
  EXPECT_EQ(Principal::everyone().kind(), Principal::Kind::kPublic);
  EXPECT_EQ(Principal::everyone().name(), "");
}

TEST(Principal, SystemIdsAreSpelledCanonically) {
  EXPECT_EQ(Principal::uid(0), *Principal::parse("uid:0"));
  EXPECT_EQ(Principal::gid(4294967294), *Principal::parse("gid:4294967294"));
}

TEST(Principal, ARefusalCannotForgeALine) {
  EXPECT_EQ(Principal::parse("user:\nx").error().message.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace grantfs
