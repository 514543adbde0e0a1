#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "grantfs/policy.h"

namespace grantfs {

/// The sources that remembered_groups() asks. A test has its own.
struct GroupSources {
  /// A value that differs whenever the local group database differs.
  using Signature = std::array<std::int64_t, 8>;
  using SteadyTime = std::chrono::steady_clock::time_point;

  /// The groups of a user. The call may be as slow as a directory service.
  std::function<std::vector<gid_t>(uid_t)> look_up;
  std::function<Signature()> signature;
  std::function<SteadyTime()> now = std::chrono::steady_clock::now;
};

/// The most threads that are in look_up() at once, for all uids together. Each could be stuck there
/// for as long as a directory service is slow.
inline constexpr unsigned kMostGroupQuestions = 4;
/// The time for which an answer is good, from the moment of its arrival.
inline constexpr std::chrono::seconds kGroupsRemembered{1};
/// The time for which an answer is good while kMostGroupQuestions about others are being asked.
inline constexpr std::chrono::seconds kGroupsRememberedWhenBusy{10};

/// The policy of system_groups() over any sources. There is one question about a uid at a time:
/// other threads that ask about this uid wait for its answer. The result is thread-safe; its copies
/// share what they remember.
SystemGroups remembered_groups(GroupSources sources);

}  // namespace grantfs
