#pragma once

#include <filesystem>

#include "grantfs/result.h"

namespace grantfs {

/// What is to be mounted where; absolute, with symbolic links resolved.
struct MountPlan {
  std::filesystem::path store;
  std::filesystem::path mountpoint;
  std::filesystem::path database;
};

/// Checks everything that can be checked before mounting and says what is wrong, naming it:
/// the store must be a directory; the mount point an empty one that nothing of ours is mounted on;
/// neither store, mount point nor database may lie inside another where that would expose or hide
/// it. A mount that a dead daemon left on the mount point is taken away first.
Result<MountPlan> plan_mount(const std::filesystem::path& store,
                             const std::filesystem::path& mountpoint,
                             const std::filesystem::path& database);

}  // namespace grantfs
