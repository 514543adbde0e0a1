#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "grantfs/result.h"
#include "grantfs/source.h"

namespace grantfs {

/// The daemon that serves at a mount point, and hands its place over.
struct Predecessor {
  std::int64_t pid = 0;
  std::uint64_t mount_id = 0;  ///< lasting_mount_id() of its mount
};

/// The store, the mount point and the database of a mount; absolute, with symbolic links resolved.
struct MountPlan {
  std::filesystem::path store;
  std::filesystem::path mountpoint;
  std::filesystem::path database;
  std::optional<SourceConfig> source{};
  bool dead_mount = false;                   ///< a dead daemon's mount is on the mount point still
  std::optional<Predecessor> predecessor{};  ///< whose place is taken (find_predecessor()); or none
};

/// What is to be at a mount point.
enum class Expected : std::uint8_t {
  kNothing,  ///< or the mount of a daemon that is gone
  kServing,  ///< a mount of grantfs that serves
};

/// Checks everything that can be checked before mounting and says what is wrong, naming it:
/// the store must be a directory; the mount point an empty one that nothing of ours is mounted on,
/// or, if so `expected`, one where our mount serves;
/// neither store, mount point nor database may lie inside another where that would expose or hide
/// it, be it by bind mounts; nor may the store be on a mount of ours.
Result<MountPlan> plan_mount(const std::filesystem::path& store,
                             const std::filesystem::path& mountpoint,
                             const std::filesystem::path& database,
                             Expected expected = Expected::kNothing);

/// Advice about a store that others than its owner and group may enter, past the mount. Empty if
/// they may not, or if a folder above keeps them out.
std::string store_open_to_others(const std::filesystem::path& store);

/// Checks the place of a source's database, which may not lie where a policy database may not.
Result<void> check_source(const MountPlan& plan, const std::filesystem::path& database);

/// The facts about the directory at a mount point, whatever is mounted on it.
struct Underlying {
  /// Whether others than root may pass the directory. If so, a web server finds files missing (404)
  /// while nothing is mounted; otherwise it may not look (403).
  bool admits_others = false;
};

/// Looks at the directory itself, beneath a dead mount too, without taking that away. kInvalid if
/// it is not empty; kSystem if it cannot be told. Takes CAP_SYS_ADMIN.
Result<Underlying> look_beneath(const std::filesystem::path& mountpoint);

}  // namespace grantfs
