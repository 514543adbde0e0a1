#pragma once

#include <chrono>
#include <cstdint>

#include "grantfs/timestamp.h"

namespace grantfs {

/// So many seconds after 1970-01-01T00:00:00Z.
constexpr Timestamp at(std::int64_t seconds) {
  return Timestamp{std::chrono::seconds{seconds}};
}

}  // namespace grantfs
