#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grantfs/result.h"

namespace grantfs {

/// Who asks for a filter: each has a list of its own (allowed_calls.h).
enum class Filtered : std::uint8_t {
  kDaemon,          ///< grantfs, over /dev/fuse
  kDaemonWithRing,  ///< grantfs, over io_uring
  kFollower,        ///< grantfs-follow
  kMountHelper,     ///< privileged/mount_helper.h
};

/// Has the kernel refuse this process, all its threads, every system call that is not on the list
/// of `who` (seccomp(2)), for good. A refused call fails with EPERM, and counts: a program that
/// makes a call we know nothing of goes on without it, and denies if it needed it. To end the
/// program instead would let one odd call, of a library's new version, take a site away.
///
/// A few calls fail with ENOSYS and do not count: the C library then makes an older call whose
/// arguments can be looked at.
///
/// kSystem: the kernel has no filters; or this is a build with a sanitizer, which makes calls of
/// its own. Then nothing is filtered. Sets the handler of SIGSYS. Call it once; it takes
/// no_new_privs.
Result<void> filter_system_calls(Filtered who);

/// How often a call was refused, all calls together. Any thread.
std::uint64_t refused_calls();

/// The names of the calls that were refused since this was asked last, each once in a process. Any
/// thread.
std::vector<std::string> newly_refused_calls();

/// Writes a warning for each of newly_refused_calls().
void log_refused_calls();

}  // namespace grantfs
