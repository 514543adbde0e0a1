#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <optional>
#include <vector>

#include "base/sync.h"
#include "store/file_handle.h"
#include "store/file_id.h"

namespace grantfs {

/// The handles of files seen lately, kept so that they need not be asked for each time.
///
/// An inode number may be used again, but by a file that is born later. So inode number and birth
/// time (statx(2)) tell files apart, unless the second file was born within a clock tick of the
/// first. Only files that were older than a tick when their handle was asked for are remembered.
/// Thread-safe.
class KnownFiles {
 public:
  /// By what a file is found here.
  struct Key {
    std::uint32_t device_major;
    std::uint32_t device_minor;
    std::uint64_t inode;
    timespec born;
    friend bool operator==(const Key& a, const Key& b) {
      return a.device_major == b.device_major && a.device_minor == b.device_minor &&
             a.inode == b.inode && a.born.tv_sec == b.born.tv_sec &&
             a.born.tv_nsec == b.born.tv_nsec;
    }
  };
  struct Known {
    FileId id;
    FileHandle handle;
  };

  /// `clock_difference`: see FileSystem.
  explicit KnownFiles(std::chrono::seconds clock_difference = std::chrono::seconds(0))
      : clock_difference_(clock_difference) {}

  /// Whether what happened to a file then (its birth, a change) differs in its time from all that
  /// happens from `now` on (CLOCK_REALTIME).
  bool is_told_apart(const timespec& then, const timespec& now) const;

  std::optional<Known> find(const Key& key);
  /// `asked`: CLOCK_REALTIME before the handle was asked for.
  void keep(const Key& key, const Known& known, const timespec& asked);

 private:
  static constexpr std::size_t kShards = 64;
  static constexpr std::size_t kSlotsInShard = 128;
  struct Slot {
    Key key{};
    Known known;  ///< no handle: empty
  };
  using Shard = std::vector<Slot>;

  static std::size_t spread(std::uint64_t inode);
  /// A file has one place, and whoever comes later takes it.
  static Slot& slot(Shard& shard, const Key& key);

  const std::chrono::seconds clock_difference_;
  std::array<Sync<Shard>, kShards> shards_;
};

}  // namespace grantfs
