#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "grantfs/policy.h"

namespace grantfs {

/// What remembered_groups() asks; a test has its own.
struct GroupSources {
  /// Differs whenever the local group database does.
  using Signature = std::array<std::int64_t, 8>;
  using SteadyTime = std::chrono::steady_clock::time_point;

  /// May take its time, as a directory service does.
  std::function<std::vector<gid_t>(uid_t)> look_up;
  std::function<Signature()> signature;
  std::function<SteadyTime()> now = std::chrono::steady_clock::now;
};

/// The most threads that look_up() is entered by at once, whatever their uids: each could be stuck
/// in there for as long as a directory service is slow.
inline constexpr unsigned kMostGroupQuestions = 4;
/// How long an answer is good for, from when it came.
inline constexpr std::chrono::seconds kGroupsRemembered{1};
/// How long it is good for while kMostGroupQuestions are being asked about others.
inline constexpr std::chrono::seconds kGroupsRememberedWhenBusy{10};

/// The policy of system_groups() over any sources. One question about a uid at a time: whoever
/// wants to know meanwhile waits for that answer. The result is thread-safe; its copies share what
/// they remember.
SystemGroups remembered_groups(GroupSources sources);

}  // namespace grantfs
