// nginx's secure_link, as the documentation of ngx_http_secure_link_module has it.

#include <gtest/gtest.h>

#include "grantfs/signature.h"
#include "grantfs/uri_prefix.h"
#include "support/at.h"

namespace grantfs {
namespace {

std::string spelling(const Md5& md5) {
  return std::string(Md5Mark::spell(md5).view());
}

std::string md5_of(std::string_view expression, std::string_view uri, std::string_view address,
                   std::string_view secret) {
  auto parsed = Md5Expression::parse(expression);
  EXPECT_TRUE(parsed) << expression;
  return spelling(parsed->digest({at(2147483647)}, uri, address, secret).value());
}

// Each by: echo -n '…' | openssl md5 -binary | openssl base64 | tr +/ -_ | tr -d =
TEST(Md5Expression, IsWhatOpensslMakesOfIt) {
  EXPECT_EQ(md5_of(Md5Expression::kDocumented, "/s/link", "127.0.0.1", "secret"),
            "_e4Nc3iduzkWRm01TBBNYw");  // the documentation's own
  EXPECT_EQ(md5_of("$secure_link_expires$uri $secret", "/s/a b/é.mp4", "", "s3cret$x"),
            "xg835NnK3Ekj0ceN3U_TMg");
  EXPECT_EQ(md5_of("${secure_link_expires}${uri}${remote_addr} ${secret}", "/s/link", "127.0.0.1",
                   "secret"),
            "_e4Nc3iduzkWRm01TBBNYw");
}

TEST(Md5Expression, WhatAVariableHoldsIsNotExpandedAgain) {
  EXPECT_NE(md5_of("$secure_link_expires$uri$secret", "/$secret", "", "x"),
            md5_of("$secure_link_expires$uri$secret", "/x", "", "x"));
}

TEST(Md5Expression, WithoutWhatMakesItSafeIsRefused) {
  for (const char* text : {"",
                           "secret",
                           "$secret",
                           "$uri$secret",
                           "$secure_link_expires$secret",
                           "$secure_link_expires$uri",
                           "$secure_link_expires$uri secret",
                           "$secure_link_expires$uris$secret",
                           "$arg_$uri$secret",
                           "$arg_e$secret",
                           "$arg_e$uri$arg_user$secret",
                           "$secure_link_expires$uri$arg_e$secret",
                           "$secure_link_expires$uri$folder$secret",
                           "$folder$secret",
                           "$arg_e$folder",
                           "$secure_link_expires$uri$secret$",
                           "$secure_link_expires$uri${secret",
                           "$secure_link_expires$uri$secret$http_user_agent",
                           "$secure_link_expires$uri${}$secret",
                           "$secure_link_expires$request_uri$secret",
                           "$secure_link_expires$uri$SECRET"}) {
    auto parsed = Md5Expression::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Md5Expression, OneThatNoDatabaseKeepsIsRefused) {
  constexpr std::size_t kMaxExpressionBytes = 4092;
  const std::string expression(Md5Expression::kDocumented);
  const std::string longest =
      expression + std::string(kMaxExpressionBytes - expression.size(), ' ');
  EXPECT_TRUE(Md5Expression::parse(longest));
  for (const std::string& text : {longest + ' ', expression + '\0'}) {
    auto parsed = Md5Expression::parse(text);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
  }
}

TEST(UriPrefix, IsAbsoluteAndOneThatDatabasesKeep) {
  const std::string longest = '/' + std::string(kMaxUriPrefixBytes - 1, 'x');
  for (const std::string& text : {std::string("/"), std::string("/s/"), longest}) {
    EXPECT_TRUE(check_uri_prefix(text)) << text;
  }
  for (const std::string& text :
       {std::string(), std::string("s/"), longest + 'x', std::string("/s\0/", 4)}) {
    auto checked = check_uri_prefix(text);
    ASSERT_FALSE(checked) << text;
    EXPECT_EQ(checked.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Md5Expression, KnowsWhetherItIsBoundToAnAddress) {
  EXPECT_TRUE(Md5Expression::parse(Md5Expression::kDocumented)->is_bound_to_an_address());
  EXPECT_TRUE(Md5Expression::parse("$secure_link_expires$uri$secret${remote_addr}")
                  ->is_bound_to_an_address());
  EXPECT_FALSE(Md5Expression::parse("$secure_link_expires$uri remote_addr $secret")
                   ->is_bound_to_an_address());
}

TEST(Md5Expression, TheExpiryMayBeAnArgumentAndTheUriAFolder) {
  EXPECT_EQ(md5_of("$arg_e$uri$remote_addr $secret", "/s/link", "127.0.0.1", "secret"),
            "_e4Nc3iduzkWRm01TBBNYw");
  EXPECT_EQ(md5_of("$arg_e$folder/link$remote_addr $secret", "/s", "127.0.0.1", "secret"),
            "_e4Nc3iduzkWRm01TBBNYw");
  EXPECT_TRUE(Md5Expression::parse("${arg_exp}${folder} $secret")->is_of_folders());
  EXPECT_FALSE(Md5Expression::parse("${arg_exp}${uri} folder $secret")->is_of_folders());
}

TEST(Md5Expression, LeadingZerosAreHashedAsTheyAreSpelt) {
  const auto parsed = Md5Expression::parse("$secure_link_expires$uri $secret").value();
  const auto spelt = [&](std::string_view text) {
    return spelling(*parsed.digest(Md5Expires::parse(text).value(), "/s/a", "", "x"));
  };
  EXPECT_EQ(spelt("0012"), "MGYm0v9hfS2dIXiGIZvQ-g");
  EXPECT_NE(spelt("012"), spelt("0012"));
  EXPECT_NE(spelt("12"), spelt("012"));
}

TEST(Md5Expires, IsWhatNginxTakesForATime) {
  const auto time_of = [](std::string_view text) {
    const auto parsed = Md5Expires::parse(text);
    return parsed ? parsed->time : at(-1);
  };
  EXPECT_EQ(time_of("2147483647"), at(2147483647));
  EXPECT_EQ(time_of("0002147483647"), at(2147483647));
  EXPECT_EQ(time_of("99999999999"), kLastTimestamp);
  EXPECT_EQ(time_of(std::string(254, '0') + "1"), at(1));
  EXPECT_EQ(Md5Expires::parse("007")->text(), "007");
  for (const std::string& text :
       {std::string(), std::string("0"), std::string("00"), std::string("+1"), std::string("-1"),
        std::string(" 1"), std::string("1 "), std::string("1.0"), std::string("1e9"),
        std::string("0x1"), std::string("0-1"), std::string("100000000000"),
        std::string("99999999999999999999"), std::string("2147483647a"), std::string("1,2"),
        std::string(255, '0') + "1"}) {
    EXPECT_FALSE(Md5Expires::parse(text)) << text;
  }
}

TEST(Md5Mark, IsWhatNginxDecodes) {
  const std::string good = "_e4Nc3iduzkWRm01TBBNYw";
  const auto md5 = Md5Mark::parse_md5(good);
  ASSERT_TRUE(md5);
  EXPECT_EQ(spelling(*md5), good);
  int taken = 0;
  int same = 0;
  for (int c = 0; c < 256; ++c) {
    std::string text = good;
    text.back() = static_cast<char>(c);
    const auto other = Md5Mark::parse_md5(text);
    taken += other ? 1 : 0;
    same += other == md5 ? 1 : 0;
  }
  EXPECT_EQ(taken, 64);
  EXPECT_EQ(same, 16);  // 128 bits are 21 characters and two bits of the last
  for (const std::string& text : {good + "==", good + "=", good + "=A"}) {
    EXPECT_EQ(Md5Mark::parse_md5(text), md5) << text;
  }
  for (const std::string& text :
       {std::string(), good + "===", good + "A", good + "A=", good.substr(1), good.substr(1) + "=",
        "=" + good, std::string("/e4Nc3iduzkWRm01TBBNYw"), std::string("+e4Nc3iduzkWRm01TBBNYw"),
        good + "\n", " " + good, std::string("_e4Nc3iduzkWRm01TBBNY\xff"), std::string("==")}) {
    EXPECT_FALSE(Md5Mark::parse_md5(text)) << text;
  }
}

TEST(PathOfUri, FollowsThePrefixAtASlashOnly) {
  const StorePath base = StorePath::parse("up/loads").value();
  const auto path = [&](std::string_view uri, std::string_view prefix) {
    auto found = path_of_uri(uri, prefix, base);
    return found ? found->text() : std::string("none");
  };
  EXPECT_EQ(path("/files/a/b", "/files/"), "up/loads/a/b");
  EXPECT_EQ(path("/files/a/b", "/files"), "up/loads/a/b");
  EXPECT_EQ(path("/a", "/"), "up/loads/a");
  for (const char* uri : {"/filesx/a", "/file/a", "/files", "/files/", "files/a", "/files/../a",
                          "/files/..", "/files//a", "/files/./a", "/Files/a", ""}) {
    EXPECT_EQ(path(uri, "/files/"), "none") << uri;
    EXPECT_EQ(path(uri, "/files"), "none") << uri;
  }
  EXPECT_EQ(path_of_uri("/files/a", "/files/", StorePath())->text(), "a");
}

}  // namespace
}  // namespace grantfs
