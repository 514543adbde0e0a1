#pragma once

#include <sodium.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace grantfs {

/// A hash of a text under a key of this process (SipHash-2-4): whoever makes up texts cannot know
/// which of them have the same one. Thread-safe.
inline std::uint64_t keyed_hash(std::string_view text) {
  static const auto key = [] {
    std::array<unsigned char, crypto_shorthash_KEYBYTES> made{};
    crypto_shorthash_keygen(made.data());
    return made;
  }();
  std::uint64_t hash = 0;
  static_assert(sizeof hash == crypto_shorthash_BYTES);
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash),
                   reinterpret_cast<const unsigned char*>(text.data()), text.size(), key.data());
  return hash;
}

}  // namespace grantfs
