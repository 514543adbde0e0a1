#pragma once

#include <chrono>
#include <filesystem>
#include <optional>

#include "grantfs/timestamp.h"
#include "policy/decisions/link_uses/use_counter.h"

namespace grantfs {

/// Counts uses upstream, together with all other machines, where the policy database is a copy: its
/// follower claims each (control/claim.h).
///
/// A use that is under way upstream is the same use here, whichever machine it began on. What was
/// claimed is kept upstream alone, so that a restart of this daemon asks once more, and costs
/// nothing.
class ClaimedUses : public UseCounter {
 public:
  explicit ClaimedUses(std::filesystem::path database, Clock clock = system_now);

  /// Waits control::kClaimTime at most. After a claim that took as long, others are refused at once
  /// for a moment, so that those who wait behind it are not refused one by one.
  Result<std::optional<LinkUse>> count(const LinkClient& who, std::int64_t most,
                                       std::chrono::seconds window) override;

 private:
  const std::filesystem::path database_;
  const Clock clock_;
  std::chrono::steady_clock::time_point asks_again_at_{};
};

}  // namespace grantfs
