#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "grantfs/result.h"
#include "grantfs/source.h"

namespace grantfs {

/// What is to be mounted where; absolute, with symbolic links resolved.
struct MountPlan {
  std::filesystem::path store;
  std::filesystem::path mountpoint;
  std::filesystem::path database;
  std::optional<SourceConfig> source{};
  bool dead_mount = false;  ///< a dead daemon's mount is on the mount point still
};

/// Checks everything that can be checked before mounting and says what is wrong, naming it:
/// the store must be a directory; the mount point an empty one that nothing of ours is mounted on;
/// neither store, mount point nor database may lie inside another where that would expose or hide
/// it, be it by bind mounts; nor may the store be on a mount of ours.
Result<MountPlan> plan_mount(const std::filesystem::path& store,
                             const std::filesystem::path& mountpoint,
                             const std::filesystem::path& database);

/// What to do about a store that others than its owner and group may enter, past the mount; empty
/// if they may not, or a folder above keeps them out.
std::string store_open_to_others(const std::filesystem::path& store);

/// Where the database of a source may not lie: where a database of ours may not.
Result<void> check_source(const MountPlan& plan, const std::filesystem::path& database);

/// What is to be known of the directory at a mount point, whatever is mounted on it.
struct Underlying {
  /// Whether others than root may pass it. Then, while nothing is mounted, a web server finds that
  /// files are missing (404); otherwise, that it may not look (403).
  bool admits_others = false;
};

/// Looks at the directory itself, beneath a dead mount too, without taking that away. kInvalid if
/// it is not empty; kSystem if it cannot be told. Takes CAP_SYS_ADMIN.
Result<Underlying> look_beneath(const std::filesystem::path& mountpoint);

}  // namespace grantfs
