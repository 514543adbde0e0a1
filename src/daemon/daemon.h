#pragma once

#include "daemon/background.h"
#include "daemon/options.h"
#include "daemon/preflight.h"
#include "grantfs/result.h"
#include "privileged/mount_helper.h"

namespace grantfs {

/// Mounts as planned, by `helper`, and answers until unmounted or told to end (SIGTERM, SIGINT,
/// SIGHUP). Calls `background.ready()` once the mount answers. The process must have a single
/// thread when this is called, and be the one that is to stay.
Result<void> serve(const MountPlan& plan, const MountOptions& options, Background& background,
                   MountHelper& helper);

}  // namespace grantfs
