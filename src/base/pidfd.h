#pragma once

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace grantfs {

/// A descriptor that stands for the process of this number, and never for another one that gets the
/// number later (pidfd_open(2)). None, with errno set, if there is no such process. Thread-safe.
inline UniqueFd pidfd_of(pid_t process) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0U)));
}

}  // namespace grantfs
