#pragma once

#include "base/errno.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "store/waiting.h"

namespace grantfs {

/// A descriptor (O_PATH) of what lies at `path` beneath the folder `base`, through no symbolic link
/// and across no mount point (openat2(2)); an empty path is the folder itself. Errors as
/// Store's.
Result<UniqueFd, Errno> resolve_beneath(int base, const char* path, Waiting waiting);

/// ENOENT for "not there" in all its forms: no such name, a symbolic link or a mount point in the
/// way, not the type asked for, longer than names or paths can be. Every other error as it is.
Errno absent_or(int error);

}  // namespace grantfs
