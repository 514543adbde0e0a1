#include "grantfs/secret.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <concepts>
#include <map>
#include <ostream>
#include <type_traits>
#include <vector>

#include "grantfs/identity.h"
#include "grantfs/signature.h"
#include "grantfs/token.h"
#include "support/allocation.h"

namespace grantfs {
namespace {

using test::FreedMemory;

constexpr std::string_view kTokenText = "abcdefghijklmnopqrstuvwxyz234567";

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(std::is_nothrow_move_constructible_v<Secret> &&
              std::is_nothrow_move_assignable_v<Secret>);

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) {
  out << value;
};
static_assert(Streamable<std::string_view>);
static_assert(!Streamable<Secret> && !Streamable<SharedSecret>);
static_assert(fmt::is_formattable<std::string_view>::value);
static_assert(!fmt::is_formattable<Secret>::value && !fmt::is_formattable<SharedSecret>::value);
static_assert(!std::is_convertible_v<Secret, std::string_view> &&
              !std::is_convertible_v<SharedSecret, std::string_view>);
static_assert(!std::equality_comparable<Secret>, "it would take longer the more of it is right");

/// Whether memory that was given back meanwhile held the token.
template <class Function>
bool leaves_behind(std::string_view text, const Function& function) {
  const FreedMemory freed(text);
  function();
  return freed.held_it();
}

TEST(FreedMemory, AStringIsLeftBehind) {
  EXPECT_TRUE(leaves_behind(kTokenText, [] { const std::string token(kTokenText); }));
  EXPECT_TRUE(leaves_behind(kTokenText, [] {
    std::string token(kTokenText);
    token.reserve(1000);
    std::fill(token.begin(), token.end(), '\0');
  }));
}

TEST(Secret, IsWipedWhenItIsDropped) {
  EXPECT_FALSE(leaves_behind(kTokenText, [] {
    const Secret token(kTokenText);
    EXPECT_EQ(token.view(), kTokenText);
  }));
}

TEST(Secret, IsWipedWhenAnotherTakesItsPlace) {
  EXPECT_FALSE(leaves_behind(kTokenText, [] {
    Secret token(kTokenText);
    token = Secret("another");
    EXPECT_EQ(token.view(), "another");
    Secret& same = token;
    token = std::move(same);
    EXPECT_EQ(token.view(), "another");
  }));
}

TEST(Secret, LeavesNothingBehindWhereItWasMovedFrom) {
  for (const std::string_view text : {kTokenText, std::string_view("short")}) {
    Secret first(text);
    const char* const bytes = first.view().data();
    Secret second(std::move(first));
    EXPECT_EQ(second.view(), text);
    EXPECT_EQ(second.view().data(), bytes);  // the same memory: there is one copy
    EXPECT_TRUE(first.view().empty());       // NOLINT(bugprone-use-after-move)
    first = std::move(second);
    EXPECT_EQ(first.view().data(), bytes);
    EXPECT_TRUE(second.view().empty());  // NOLINT(bugprone-use-after-move)
  }
  EXPECT_FALSE(leaves_behind(kTokenText, [] {
    std::vector<Secret> several;
    for (int i = 0; i < 10; ++i) several.emplace_back(kTokenText);
  }));
}

TEST(Secret, IsWipedWhereItGrewOutOf) {
  EXPECT_FALSE(leaves_behind(kTokenText, [] {
    Secret url;
    for (const char c : kTokenText) url.append(c);
    url.append("/and what follows, which is long enough that it has to move");
    EXPECT_TRUE(url.view().starts_with(kTokenText));
    EXPECT_TRUE(url.view().ends_with("to move"));
  }));
}

TEST(Secret, IsWipedWhereItIsCutOff) {
  for (const std::size_t left : {0, 1, 20}) {
    EXPECT_FALSE(leaves_behind(kTokenText.substr(left + 1), [&] {
      Secret token(kTokenText);
      token.resize(left);
      EXPECT_EQ(token.view(), kTokenText.substr(0, left));
      token.append("x");  // one byte of what was cut off is overwritten
    }));
  }
}

TEST(Secret, WhatItGrowsByIsZero) {
  Secret token(kTokenText);
  token.resize(4);
  token.resize(kTokenText.size());
  EXPECT_EQ(token.view(), std::string("abcd") + std::string(kTokenText.size() - 4, '\0'));
}

TEST(Secret, AnEmptyOneIsNoNullPointerToWhoReadsOrWritesIt) {
  Secret secret;
  EXPECT_NE(secret.view().data(), nullptr);
  secret.resize(0);
  EXPECT_NE(secret.bytes().data(), nullptr);
  EXPECT_TRUE(secret.empty());
}

TEST(Secret, IsJoinedOfPieces) {
  EXPECT_EQ(Secret::joined({"https://example.org/", kTokenText, "", "/"}).view(),
            "https://example.org/abcdefghijklmnopqrstuvwxyz234567/");
  EXPECT_EQ(Secret::joined({}).view(), "");
  EXPECT_FALSE(leaves_behind(kTokenText, [] { (void)Secret::joined({"a", kTokenText, "b"}); }));
}

TEST(SharedSecret, IsWipedWhenTheLastHolderDropsIt) {
  EXPECT_FALSE(leaves_behind(kTokenText, [] {
    std::vector<Identity> views;
    {
      const SessionBearer bearer{TokenHash::of(kTokenText), SharedSecret(kTokenText), {}};
      for (int i = 0; i < 10; ++i) views.emplace_back(bearer);
    }
    for (const Identity& identity : views) {
      EXPECT_EQ(std::get<SessionBearer>(identity).token.view(), kTokenText);
    }
  }));
}

TEST(SharedSecret, WipesTheStringThatItTakesOver) {
  // The first byte is overwritten even where a string is only emptied.
  EXPECT_FALSE(leaves_behind(kTokenText.substr(1), [] {
    const SessionBearer bearer{TokenHash::of(kTokenText), std::string(kTokenText), {}};
    EXPECT_EQ(bearer.token.view(), kTokenText);
  }));
}

TEST(SharedSecret, IsTheSameIfItsBytesAre) {
  const SharedSecret token(kTokenText);
  EXPECT_TRUE(token == SharedSecret(kTokenText));
  EXPECT_TRUE(token != SharedSecret());
  EXPECT_TRUE(SharedSecret() == SharedSecret(Secret()));
  EXPECT_TRUE(SharedSecret() < token);
}

TEST(Signature, NothingOfItIsLeftBehindWhereItIsMadeAndRead) {
  const SignatureClaims claims{"k1", Timestamp{std::chrono::seconds{2'000'000'000}}, "",
                               StorePath::parse("a/film.mp4").value()};
  constexpr std::string_view kKey = "0123456789abcdefghijklmnopqrstuv";
  const Secret token = std::move(sign(claims, kKey).value());
  const auto signature = Signature::parse(token.view());
  ASSERT_TRUE(signature);
  EXPECT_FALSE(leaves_behind(token.view(), [&] { (void)sign(claims, kKey); }));
  EXPECT_FALSE(leaves_behind(token.view(), [&] { (void)Signature::parse(token.view()); }));
}

}  // namespace
}  // namespace grantfs
