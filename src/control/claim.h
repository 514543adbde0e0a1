#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "control/record.h"
#include "grantfs/result.h"
#include "grantfs/token.h"

// How a daemon on a copy has the follower claim a use of a link upstream, where it counts on all
// machines. The follower has a socket beside the daemons' own (record.h), for clients of the
// protocol that daemons speak (protocol.h):
//
//     {"command":"claim","link":"793856b2…","client":"192.0.2.1","window":600}
//     {"ok":true,"used":2,"age_seconds":17}       or, if there are no more uses:
//     {"ok":true,"used":0}
namespace grantfs::control {

/// The name of the follower's socket in the folder of records.
inline constexpr const char* kFollowerSocket = "follower.sock";

/// From the daemon's question to its answer; then the use is refused, although it may have been
/// counted: the client's next request finds it under way.
inline constexpr std::chrono::milliseconds kClaimTime{1000};

/// The longest window of a use, in seconds.
inline constexpr std::int64_t kLongestWindow = 86'400;

/// A client at the door of a link with no use under way.
struct Claim {
  TokenHash link;
  std::string client;  ///< an address or a network, 64 bytes at most; empty: not told apart
  std::int64_t window_seconds = 0;  ///< how long a use lasts: 1 to kLongestWindow
};

/// The uses of the client so far, of which the last is under way.
struct ClaimedUse {
  std::int64_t used = 0;
  std::int64_t age_seconds = 0;  ///< how long ago the last one began
};

/// Asks the follower of `database`, and waits kClaimTime at most. None if the client has no more
/// uses. kNotFound if no follower runs, kSystem if it does not answer, or cannot claim.
Result<std::optional<ClaimedUse>> claim_use(const std::filesystem::path& database,
                                            const Claim& claim);

/// The claim of a request; kInvalid if it makes no sense.
Result<Claim> read_claim(const nlohmann::json& request);
/// The answer to a claim, for the other side's claim_use().
nlohmann::json claim_answer(const std::optional<ClaimedUse>& claimed);

}  // namespace grantfs::control
