// nginx's secure_link, as the documentation of ngx_http_secure_link_module has it.

#include <gtest/gtest.h>

#include "grantfs/signature.h"

namespace grantfs {
namespace {

Timestamp at(std::int64_t seconds) {
  return Timestamp{std::chrono::seconds{seconds}};
}

std::string md5_of(std::string_view expression, std::string_view uri, std::string_view address,
                   std::string_view secret) {
  auto parsed = Md5Expression::parse(expression);
  EXPECT_TRUE(parsed) << expression;
  return Md5Mark::spell(parsed->digest(at(2147483647), uri, address, secret).value());
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
  for (const char* text :
       {"", "secret", "$secret", "$uri$secret", "$secure_link_expires$secret",
        "$secure_link_expires$uri", "$secure_link_expires$uri secret",
        "$secure_link_expires$uris$secret", "$arg_expires$uri$secret",
        "$secure_link_expires$uri$secret$", "$secure_link_expires$uri${secret",
        "$secure_link_expires$uri$secret$http_user_agent", "$secure_link_expires$uri${}$secret",
        "$secure_link_expires$request_uri$secret", "$secure_link_expires$uri$SECRET"}) {
    auto parsed = Md5Expression::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Md5Expression, KnowsWhetherItIsBoundToAnAddress) {
  EXPECT_TRUE(Md5Expression::parse(Md5Expression::kDocumented)->is_bound_to_an_address());
  EXPECT_TRUE(Md5Expression::parse("$secure_link_expires$uri$secret${remote_addr}")
                  ->is_bound_to_an_address());
  EXPECT_FALSE(Md5Expression::parse("$secure_link_expires$uri remote_addr $secret")
                   ->is_bound_to_an_address());
}

TEST(Md5Mark, HasOneSpelling) {
  EXPECT_EQ(Md5Mark::parse_expires("2147483647"), at(2147483647));
  EXPECT_EQ(Md5Mark::parse_expires("0"), at(0));
  EXPECT_EQ(Md5Mark::parse_expires("99999999999"), kLastTimestamp);
  for (const char* text : {"", "00", "01", "+1", "-1", " 1", "1 ", "1.0", "1e9", "0x1",
                           "100000000000", "99999999999999999999", "2147483647a", "١"}) {
    EXPECT_FALSE(Md5Mark::parse_expires(text)) << text;
  }
  const std::string good = "_e4Nc3iduzkWRm01TBBNYw";
  const auto md5 = Md5Mark::parse_md5(good);
  ASSERT_TRUE(md5);
  EXPECT_EQ(Md5Mark::spell(*md5), good);
  int taken = 0;
  for (int c = 0; c < 256; ++c) {
    std::string text = good;
    text.back() = static_cast<char>(c);
    taken += Md5Mark::parse_md5(text) ? 1 : 0;
  }
  EXPECT_EQ(taken, 4);  // 128 bits are 21 characters and two bits of the last
  for (const std::string& text : {std::string(), good + "==", good + "=", good + "A",
                                  good.substr(1), std::string("/e4Nc3iduzkWRm01TBBNYw"),
                                  good + "\n", " " + good, std::string("_e4Nc3iduzkWRm01TBBNYx")}) {
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
