#include "grantfs/token.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "support/samples.h"

namespace grantfs {
namespace {

TEST(Token, TheHashIsSha256InLowercaseHexadecimal) {
  // FIPS 180-2, appendix B.1, and the empty message.
  EXPECT_EQ(TokenHash::of("abc").hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(TokenHash::of("").hex(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Token, AHashIsReadBack) {
  const TokenHash hash = TokenHash::of("abc");
  auto parsed = TokenHash::parse(hash.hex());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(*parsed, hash);
}

TEST(Token, WhatIsNoHashIsRefusedAndNotRepeated) {
  const std::string hex = TokenHash::of("abc").hex();
  std::string upper = hex;
  std::ranges::transform(upper, upper.begin(), [](char c) {
    return c >= 'a' && c <= 'f' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  for (const std::string& text :
       {std::string(), hex.substr(1), hex + "0", upper, "g" + hex.substr(1), hex.substr(1) + "\n",
        std::string("secretsecretsecretsecret")}) {
    auto parsed = TokenHash::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().kind, ErrorKind::kInvalid);
    if (text.size() > 8) {
      EXPECT_EQ(parsed.error().message.find(text), std::string::npos);
    }
  }
}

TEST(Token, AGeneratedTokenFitsTheDocumentedPattern) {
  std::set<std::string> seen;
  std::set<char> characters;
  for (int i = 0; i < 200; ++i) {
    const std::string token(generate_token().view());
    EXPECT_EQ(token.size(), 32U);
    EXPECT_EQ(token.find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"), std::string::npos);
    EXPECT_TRUE(check_token(token));
    EXPECT_TRUE(seen.insert(token).second);
    characters.insert(token.begin(), token.end());
  }
  EXPECT_EQ(characters.size(), 32U);  // no letter is left out
}

TEST(Token, AnApplicationsTokenIsTakenIfItIsLongEnoughAndPlain) {
  EXPECT_TRUE(check_token("ABCdef-_01234567"));
  EXPECT_TRUE(check_token(std::string(255, 'a')));
  for (const std::string& token :
       {std::string(), std::string(15, 'a'), std::string(256, 'a'), std::string("aaaaaaaaaaaaaaa/"),
        std::string("aaaaaaaaaaaaaaa."), std::string("aaaaaaaaaaaaaaa\n"),
        std::string("aaaaaaaaaaaaaaa "), std::string("aaaaaaaaaaaaaaa\xc3\xa4"),
        samples::bytes("aaaaaaaaaaaaaaaaa\0")}) {
    EXPECT_FALSE(check_token(token)) << token;
  }
}

TEST(Token, ARefusedTokenIsNotRepeated) {
  auto refused = check_token("not/a/good/token/at/all");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message.find("good"), std::string::npos);
}

}  // namespace
}  // namespace grantfs
