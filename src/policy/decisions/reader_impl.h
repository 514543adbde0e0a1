#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "grantfs/identity.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

// What the sources of Reader have in common.
namespace grantfs {

inline Expiry to_expiry(std::optional<std::int64_t> seconds) {
  if (!seconds) return std::nullopt;
  return Timestamp{std::chrono::seconds{*seconds}};
}

inline Expiry earlier(const Expiry& a, const Expiry& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

inline std::int64_t unix_seconds(Timestamp time) {
  return time.time_since_epoch().count();
}

/// Under which a decision is remembered: of whom (Reader::memory_name()), and where.
std::string memory_key(const std::string& who, std::string_view path);

/// Whether what is bound to `address` (if it is) counts for who comes from `from` (if it is known).
bool counts_from(const std::string& address, const std::optional<Address>& from);

}  // namespace grantfs
