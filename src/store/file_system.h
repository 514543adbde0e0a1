#pragma once

#include <chrono>
#include <string>

#include "base/unique_fd.h"

namespace grantfs {

/// The file system that a store is on, and what of it cannot be trusted.
struct FileSystem {
  /// By its type (statfs(2)). What cannot be looked at is trusted with nothing.
  static FileSystem of(const UniqueFd& folder);

  std::string name;  ///< for people: "NFS", "a file system of type 0x4244"
  /// Whether this kernel alone changes it, as it does ext4 on a disk. Elsewhere another machine or
  /// a process may: then the kernel's memory of names and files can be old, only the file system
  /// itself can tell, and asking may take any time.
  bool is_own = false;
  /// Whether its file handles are good only as long as the kernel has the file in memory.
  bool forgets_handles = true;

  /// How much the clock that sets its files' times may differ from ours: not at all, unless the
  /// times are another machine's. Files that changed within this time count as changing still.
  std::chrono::seconds clock_difference() const;
};

}  // namespace grantfs
