#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "grantfs/result.h"

namespace grantfs {

/// A place that a process goes on writing to.
struct Writable {
  enum class What : std::uint8_t {
    kFile,      ///< the bytes of this file, or of files in this folder that are there already
    kDatabase,  ///< files, sockets and folders of any name in this folder, and below
    kSockets,   ///< sockets, symbolic links and their ends in this folder: no file's bytes
  };
  std::filesystem::path path;
  What what = What::kFile;
};

/// Has the kernel refuse this thread, and those that it starts, for good, every change of what has
/// a name in a file system, but for `places` (landlock(7)): no file is opened for writing, made,
/// cut, renamed or removed, be it by root or through io_uring. Refused besides: to execute a
/// program; to mount or unmount; from Linux 6.7 on, TCP; from 6.10 on, to ask devices that are
/// opened later; from 6.12 on, to signal other processes. Reading is left to the process's
/// capabilities: a file that the kernel opened by its handle has no path that Landlock could judge.
/// So are owner, mode and times of files, which Landlock does not know.
///
/// A place is the file or folder that is at the path now: another that is put there later is not
/// written to. Returns the version of Landlock. kNotFound if the kernel has none, or it is switched
/// off, or in a build with a sanitizer; kSystem if a place cannot be opened. It takes no_new_privs.
Result<int> limit_writes(const std::vector<Writable>& places);

}  // namespace grantfs
