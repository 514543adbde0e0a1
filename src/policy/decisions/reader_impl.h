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

/// The paths strictly below a folder, as a half-open range in byte order.
struct Range {
  std::string begin;
  std::string end;
};

inline Range below(const StorePath& folder) {
  // '0' follows '/' in ASCII. Below the root lies every path but its own spelling, which is in the
  // midst of this range: a live rule on it is found before anybody asks what lies below. No path is
  // longer than StorePath::kMaxBytes, so none sorts after one byte more of the highest byte.
  if (folder.is_root())
    return {std::string(1, '\x01'), std::string(StorePath::kMaxBytes + 1, '\xff')};
  return {folder.text() + '/', folder.text() + '0'};
}

/// Under which a decision is remembered: of whom (Reader::memory_name()), and where.
std::string memory_key(const std::string& who, std::string_view path);

/// Whether what is bound to `address` (if it is) counts for who comes from `from` (if it is known).
bool counts_from(const std::string& address, const std::optional<Address>& from);

}  // namespace grantfs
