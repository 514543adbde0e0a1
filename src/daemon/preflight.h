#pragma once

#include <filesystem>
#include <optional>

#include "grantfs/result.h"
#include "grantfs/source.h"

namespace grantfs {

/// What is to be mounted where; absolute, with symbolic links resolved.
struct MountPlan {
  std::filesystem::path store;
  std::filesystem::path mountpoint;
  std::filesystem::path database;
  std::optional<SourceConfig> source{};
  bool dead_mount = false;  ///< a dead daemon's mount is on the mount point still: take_over()
};

/// Checks everything that can be checked before mounting and says what is wrong, naming it:
/// the store must be a directory; the mount point an empty one that nothing of ours is mounted on;
/// neither store, mount point nor database may lie inside another where that would expose or hide
/// it.
Result<MountPlan> plan_mount(const std::filesystem::path& store,
                             const std::filesystem::path& mountpoint,
                             const std::filesystem::path& database);

/// Where the database of a source may not lie: where a database of ours may not.
Result<void> check_source(const MountPlan& plan, const std::filesystem::path& database);

/// Takes away the mount that a dead daemon left, and checks that the directory beneath is empty.
/// The last step before mounting: until then whoever asks is refused, not shown the directory.
Result<void> take_over(const std::filesystem::path& mountpoint);

}  // namespace grantfs
