#include "grantfs/signature.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sodium.h>

#include <cstdlib>
#include <random>
#include <set>

#include "support/at.h"
#include "support/samples.h"

namespace grantfs {
namespace {

constexpr std::string_view kSecret = "0123456789abcdefghijklmnopqrstuv";

SignatureClaims film() {
  return {"k1", at(2'000'000'000), "", StorePath::parse("uploads/7f3a9c/film.mp4").value()};
}

/// Made by Python's hmac and base64 from "k1 2000000000 - uploads/7f3a9c/film.mp4".
constexpr std::string_view kFilm =
    "XLFb5QU12tEQmmPB6AxtduzBCLROMu-Cc_qbiXyT3iJrMSAyMDAwMDAwMDAwIC0gdXBsb2Fkcy83ZjNhOWMvZmlsbS5t"
    "cDQ";

/// A token of this payload, whatever it is, with the right MAC: what only the key's holder can do.
std::string token_of(std::string_view payload, bool padded = false) {
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> mac{};
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, reinterpret_cast<const unsigned char*>(kSecret.data()),
                              kSecret.size());
  crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(payload.data()),
                                payload.size());
  crypto_auth_hmacsha256_final(&state, mac.data());
  std::string bytes(mac.begin(), mac.end());
  bytes += payload;
  const int variant =
      padded ? sodium_base64_VARIANT_URLSAFE : sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), variant);
  text.pop_back();
  return text;
}

/// Whether the door would take it: well formed, and the key's.
bool is_taken(std::string_view token, std::string_view secret = kSecret) {
  auto signature = Signature::parse(token);
  return signature && signature->is_by(secret);
}

TEST(Signature, IsWhatAnyLanguagesHmacAndBase64Make) {
  EXPECT_EQ(sign(film(), kSecret).value().view(), kFilm);
  const SignatureClaims bound{"Key2", at(1), "2001:db8::/64", StorePath::parse("a b/é").value()};
  EXPECT_EQ(sign(bound, kSecret).value().view(),
            "bIuQQBb6SNcZ8O5i6-9fiW1wqlWKEY9OeaiYZ5vsXYlLZXkyIDEgMjAwMTpkYjg6Oi82NCBhIGIvw6k");
}

TEST(Signature, IsReadBack) {
  for (const char* address : {"", "192.0.2.1", "2001:db8::/64"}) {
    for (const char* text : {".", "a", "a b/c", "-", "a/\n/b", "日本", "\xff\xfe", " ", "  x"}) {
      const SignatureClaims claims{"k", at(99'999'999'999), address,
                                   StorePath::parse(text).value()};
      auto token = sign(claims, kSecret);
      ASSERT_TRUE(token) << text;
      auto signature = Signature::parse(token->view());
      ASSERT_TRUE(signature) << text;
      EXPECT_EQ(signature->claims(), claims);
      EXPECT_TRUE(signature->is_by(kSecret));
      EXPECT_EQ(token->view().find_first_not_of(
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                std::string::npos);
    }
  }
}

TEST(Signature, OfAnotherKeyIsNotTaken) {
  EXPECT_TRUE(is_taken(kFilm));
  for (const std::string& other :
       {std::string(), std::string(kSecret) + "w", std::string(kSecret.substr(1)),
        "1" + std::string(kSecret.substr(1)), std::string(kSecret) + std::string(1, 'x')}) {
    EXPECT_FALSE(is_taken(kFilm, other)) << other;
  }
}

TEST(Signature, NoTruncationIsTaken) {
  for (std::size_t size = 0; size < kFilm.size(); ++size) {
    EXPECT_FALSE(is_taken(kFilm.substr(0, size))) << size;
    EXPECT_FALSE(is_taken(kFilm.substr(kFilm.size() - size))) << size;
  }
}

TEST(Signature, NoFlippedBitIsTaken) {
  for (std::size_t i = 0; i < kFilm.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string token(kFilm);
      token[i] = static_cast<char>(token[i] ^ (1 << bit));
      EXPECT_FALSE(is_taken(token)) << i << ' ' << bit;
    }
  }
}

TEST(Signature, NoOtherCharacterInAnyPlaceIsTaken) {
  for (std::size_t i = 0; i < kFilm.size(); ++i) {
    for (int c = 0; c < 256; ++c) {
      std::string token(kFilm);
      token[i] = static_cast<char>(c);
      if (token == kFilm) continue;
      EXPECT_FALSE(is_taken(token)) << i << ' ' << c;
      EXPECT_FALSE(is_taken(std::string(kFilm).insert(i, 1, static_cast<char>(c))));
    }
  }
}

TEST(Signature, NoExtensionIsTaken) {
  for (int c = 0; c < 256; ++c) {
    for (std::size_t times = 1; times <= 4; ++times) {
      const std::string more(times, static_cast<char>(c));
      EXPECT_FALSE(is_taken(std::string(kFilm) + more));
      EXPECT_FALSE(is_taken(more + std::string(kFilm)));
    }
  }
  EXPECT_FALSE(is_taken(std::string(kFilm) + std::string(kFilm)));
}

TEST(Signature, HasOneSpelling) {
  // 73 bytes: two characters of base64 make the last one, with four bits unused.
  std::string token(token_of("k1 2000000000 - uploads/7f3a9c/films.mpeg"));
  ASSERT_TRUE(is_taken(token));
  ASSERT_EQ(token.size() % 4, 2U);
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  int taken = 0;
  for (const char last : alphabet) {
    token.back() = last;
    taken += is_taken(token) ? 1 : 0;
  }
  EXPECT_EQ(taken, 1);
  EXPECT_FALSE(is_taken(token_of("k1 2000000000 - uploads/7f3a9c/films.mpeg", /*padded=*/true)));

  std::string standard(kFilm);  // base64 with '+' and '/', and '/' percent-encoded
  for (char& c : standard) c = c == '-' ? '+' : c == '_' ? '/' : c;
  EXPECT_FALSE(is_taken(standard));
  for (const char* space : {" ", "\n", "\r\n", "\t", "="}) {
    EXPECT_FALSE(is_taken(std::string(kFilm) + space));
    EXPECT_FALSE(is_taken(space + std::string(kFilm)));
  }
  EXPECT_FALSE(is_taken(std::string(kFilm) + std::string(1, '\0')));
}

TEST(Signature, AClaimThatIsNotCanonicalIsRefusedWhoeverSignedIt) {
  EXPECT_TRUE(is_taken(token_of("k1 2000000000 - a")));
  for (const char* payload : {
           "k1 02000000000 - a",
           "k1 +2000000000 - a",
           "k1 -1 - a",
           "k1 2e9 - a",
           "k1 0x77 - a",
           "k1  2000000000 - a",
           "k1 2000000000  - a",
           " k1 2000000000 - a",
           "k1\t2000000000 - a",
           "k1 - - a",
           "k1  - a",
           "k1 2000000000 -",
           "k1 2000000000 a",
           "k1 100000000000 - a",
           "k1 99999999999999999999 - a",
           "k1 2000000000 - /a",
           "k1 2000000000 - a/",
           "k1 2000000000 - a//b",
           "k1 2000000000 - a/../b",
           "k1 2000000000 - ..",
           "k1 2000000000 - ./a",
           " 2000000000 - a",
           "k_1 2000000000 - a",
           "k/1 2000000000 - a",
           "k1 2000000000 -- a",
           "k1 2000000000 x a",
           "k1 2000000000  a",
           "k1 2000000000 A::1 a",
       }) {
    EXPECT_FALSE(is_taken(token_of(payload))) << payload;
  }
  EXPECT_FALSE(is_taken(token_of(samples::bytes("k1 2000000000 - a\0b"))));
  EXPECT_FALSE(is_taken(token_of(std::string(33, 'k') + " 2000000000 - a")));
}

TEST(Signature, APathThatIsTooLongIsRefusedWithWhatToDo) {
  SignatureClaims claims = film();
  std::size_t longest = 0;
  for (std::size_t size = 1; size <= 250; ++size) {
    claims.path = StorePath::parse(std::string(size, 'x')).value();
    auto token = sign(claims, kSecret);
    if (token) {
      longest = size;
      EXPECT_LE(token->size(), 255U);
      EXPECT_TRUE(is_taken(token->view()));
    } else {
      EXPECT_EQ(token.error().kind, ErrorKind::kInvalid);
      EXPECT_NE(token.error().message.find(fmt::format(" {} are the most", longest)),
                std::string::npos)
          << token.error().message;
      EXPECT_NE(token.error().message.find("a folder above it"), std::string::npos);
    }
  }
  EXPECT_EQ(longest, 143U);  // 191 bytes in 255 characters, less the MAC and "k1 2000000000 - "
  EXPECT_FALSE(is_taken(token_of("k1 2000000000 - " + std::string(144, 'x'))));
}

TEST(Signature, WhatCannotBeClaimedIsNotSigned) {
  for (const auto& [id, seconds, address] :
       std::vector<std::tuple<std::string, std::int64_t, std::string>>{{"", 1, ""},
                                                                       {"k 1", 1, ""},
                                                                       {"k1", -1, ""},
                                                                       {"k1", 100'000'000'000, ""},
                                                                       {"k1", 1, "192.0.2.1 - "},
                                                                       {"k1", 1, "-"},
                                                                       {"k1", 1, "localhost"}}) {
    auto token = sign({id, at(seconds), address, StorePath()}, kSecret);
    ASSERT_FALSE(token) << id << ' ' << seconds << ' ' << address;
    EXPECT_EQ(token.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Signature, AnErrorDoesNotRepeatTheToken) {
  auto parsed = Signature::parse(std::string(kFilm) + "!");
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().message.find(kFilm.substr(0, 16)), std::string::npos);
}

TEST(Signature, AGeneratedSecretIsLongEnoughAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) {
    const Secret secret = generate_signing_secret();
    EXPECT_EQ(secret.view().size(), 52U);
    EXPECT_GE(secret.view().size(), kMinSigningSecretBytes);
    EXPECT_EQ(secret.view().find_first_not_of("abcdefghijklmnopqrstuvwxyz234567"),
              std::string::npos);
    EXPECT_TRUE(seen.emplace(secret.view()).second);
  }
}

/// Random edits of good tokens, and random tokens: never taken, nor read out of bounds.
TEST(Signature, NothingRandomIsTaken) {
  const char* given = std::getenv("GRANTFS_SEED");
  const auto seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 10))
                                     : std::random_device()();
  fmt::print("seed {} (repeat with GRANTFS_SEED={})\n", seed, seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t end) {
    return std::uniform_int_distribution<std::size_t>(0, end - 1)(random);
  };
  const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  for (int round = 0; round < 20'000; ++round) {
    std::string payload = round % 2 == 0 ? "k1 2000000000 - a/b" : "k1 2000000000 ::1 ";
    for (auto n = below(40); n > 0; --n) payload += static_cast<char>(below(256));
    const std::string good = token_of(payload);
    if (auto parsed = Signature::parse(good)) {
      EXPECT_EQ(sign(parsed->claims(), kSecret).value().view(), good);
    }
    std::string token = good;
    for (auto edits = 1 + below(3); edits > 0 && !token.empty(); --edits) {
      switch (below(4)) {
        case 0:
          token[below(token.size())] = alphabet[below(alphabet.size())];
          break;
        case 1:
          token.insert(below(token.size() + 1), 1, alphabet[below(alphabet.size())]);
          break;
        case 2:
          token.erase(below(token.size()), 1 + below(8));
          break;
        default:
          std::swap(token[below(token.size())], token[below(token.size())]);
          break;
      }
    }
    if (token != good) {
      EXPECT_FALSE(is_taken(token)) << token;
    }
  }
}

}  // namespace
}  // namespace grantfs
