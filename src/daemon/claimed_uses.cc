#include "daemon/claimed_uses.h"

#include <utility>

#include "control/claim.h"

namespace grantfs {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// The moment after a claim that nobody answered.
constexpr std::chrono::seconds kRest{1};

}  // namespace

ClaimedUses::ClaimedUses(std::filesystem::path database, Clock clock)
    : database_(std::move(database)), clock_(std::move(clock)) {}

Result<std::optional<LinkUse>> ClaimedUses::count(const LinkClient& who, std::int64_t /*most*/,
                                                  std::chrono::seconds window) {
  const auto begun = SteadyClock::now();
  if (begun < asks_again_at_) {
    return Error{ErrorKind::kSystem,
                 "no use of a link is counted now: the follower did not answer a moment ago"};
  }
  const Timestamp now = clock_();
  auto claimed = control::claim_use(database_, {who.link, who.client, window.count()});
  if (!claimed) {
    const auto ended = SteadyClock::now();
    if (ended - begun >= control::kClaimTime) asks_again_at_ = ended + kRest;
    return claimed.error();
  }
  if (!*claimed) return std::optional<LinkUse>();
  // By this machine's clock, and no later than upstream: it was asked after `now`.
  return std::optional(
      LinkUse{(*claimed)->used, now - std::chrono::seconds((*claimed)->age_seconds)});
}

}  // namespace grantfs
