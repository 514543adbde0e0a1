#include "grantfs/token.h"

#include <fmt/core.h>
#include <sodium.h>

#include <algorithm>
#include <array>

#include "values/random_text.h"

namespace grantfs {

TokenHash TokenHash::of(std::string_view token) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> digest{};
  crypto_hash_sha256(digest.data(), reinterpret_cast<const unsigned char*>(token.data()),
                     token.size());
  std::string hex(2 * digest.size() + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), digest.data(), digest.size());
  hex.pop_back();  // the terminating zero
  return TokenHash(std::move(hex));
}

Result<TokenHash> TokenHash::parse(std::string_view hex) {
  const bool valid = hex.size() == std::size_t{2} * crypto_hash_sha256_BYTES &&
                     std::ranges::all_of(hex, [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
  if (!valid) {
    // The text may be a token typed by mistake, so the message does not repeat it.
    return Error{ErrorKind::kInvalid,
                 "not a session id: it is 64 lowercase hexadecimal digits (the SHA-256 of the "
                 "token); see: grantctl session ls"};
  }
  return TokenHash(std::string(hex));
}

Secret generate_token() {
  constexpr std::size_t kTokenCharacters = 32;
  return random_text(kTokenCharacters);
}

Result<void> check_token(std::string_view token) {
  if (token.size() < kMinTokenBytes || token.size() > kMaxTokenBytes) {
    return Error{ErrorKind::kInvalid, fmt::format("the token has {} bytes; it needs {} to {}",
                                                  token.size(), kMinTokenBytes, kMaxTokenBytes)};
  }
  const bool plain = std::ranges::all_of(token, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
  if (!plain) {
    return Error{ErrorKind::kInvalid,
                 "the token has other characters than A-Z a-z 0-9 '-' and '_', which a web server "
                 "could not put in a path safely"};
  }
  return {};
}

}  // namespace grantfs
