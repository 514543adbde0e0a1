#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "grantfs/result.h"
#include "grantfs/secret.h"

namespace grantfs {

/// The SHA-256 of a session's or link's token, 64 lowercase hexadecimal digits: all that the
/// database knows of it. The token itself is never stored, and cannot be computed from the hash. A
/// value type; safe to copy between threads.
class TokenHash {
 public:
  static TokenHash of(std::string_view token);
  /// kInvalid unless `hex` is 64 lowercase hexadecimal digits.
  static Result<TokenHash> parse(std::string_view hex);

  const std::string& hex() const { return hex_; }

  friend bool operator==(const TokenHash& a, const TokenHash& b) = default;
  friend auto operator<=>(const TokenHash& a, const TokenHash& b) = default;

 private:
  explicit TokenHash(std::string hex) : hex_(std::move(hex)) {}

  std::string hex_;
};

/// Shortest and longest token accepted when a session is created, in bytes. The upper bound is
/// a file name's (NAME_MAX), since a token is one; the lower one keeps guessing hopeless.
inline constexpr std::size_t kMinTokenBytes = 16;
inline constexpr std::size_t kMaxTokenBytes = 255;

/// A fresh token from the kernel's random numbers: 32 characters of [a-z2-7], 160 bits. Every web
/// server can hold it in a cookie and check it with the pattern ^[a-z0-9]{32}$.
Secret generate_token();

/// kInvalid, without repeating the token, unless it can be a session's or link's: kMinTokenBytes to
/// kMaxTokenBytes of [A-Za-z0-9_-].
Result<void> check_token(std::string_view token);

}  // namespace grantfs
