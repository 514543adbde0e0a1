#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "grantfs/timestamp.h"

// Times as databases hold them: Unix seconds, and NULL for no end.
namespace grantfs {

inline Timestamp to_timestamp(std::int64_t seconds) {
  return Timestamp{std::chrono::seconds{seconds}};
}

inline Expiry to_expiry(std::optional<std::int64_t> seconds) {
  if (!seconds) return std::nullopt;
  return to_timestamp(*seconds);
}

inline std::int64_t unix_seconds(Timestamp time) {
  return time.time_since_epoch().count();
}

inline std::optional<std::int64_t> unix_seconds(const Expiry& expires) {
  if (!expires) return std::nullopt;
  return unix_seconds(*expires);
}

/// The first of two ends; an end that there is comes before none.
inline Expiry earlier(const Expiry& a, const Expiry& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

}  // namespace grantfs
