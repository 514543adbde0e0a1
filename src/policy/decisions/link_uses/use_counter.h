#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>

#include "grantfs/result.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

namespace grantfs {

/// Whose uses of a link are counted together. `client` is empty if clients are not told apart.
struct LinkClient {
  TokenHash link;
  std::string client;
  friend auto operator<=>(const LinkClient&, const LinkClient&) = default;
};

/// A client's uses of a link, the last of them begun at `began`.
struct LinkUse {
  std::int64_t used = 0;
  Timestamp began;

  /// When the last use ends, if it is under way at `now`, or was within `grace`. A clock that was
  /// set back must not make a use longer.
  Expiry end(Timestamp now, std::chrono::seconds window, std::chrono::seconds grace = {}) const {
    const bool under_way = used > 0 && began <= now && now < began + window + grace;
    return under_way ? Expiry(began + window) : std::nullopt;
  }
};

/// Where uses of links are counted, so that no restart gives one back. One thread at a time.
class UseCounter {
 public:
  UseCounter() = default;
  virtual ~UseCounter() = default;
  UseCounter(const UseCounter&) = delete;
  UseCounter& operator=(const UseCounter&) = delete;

  /// The client's use that is under way. If none is, one more is counted, unless that would be more
  /// than `most`: then there is none. kDatabase or kSystem if it cannot be counted. May wait, for a
  /// disk or another machine.
  virtual Result<std::optional<LinkUse>> count(const LinkClient& who, std::int64_t most,
                                               std::chrono::seconds window) = 0;
};

}  // namespace grantfs
