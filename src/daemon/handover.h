#pragma once

#include <filesystem>

#include "daemon/control_commands/serving.h"
#include "daemon/preflight.h"
#include "grantfs/result.h"

namespace grantfs {

/// Finds the daemon that serves at the mount point of `plan`, by the records of the plan's database
/// (control/record.h) and the number of the mount, and checks that another one may take its place:
/// it serves the same store by the same database, and its control socket is `control`. What a
/// daemon says is compared, and not used: administrators of the policy can make a daemon up.
/// kInvalid if it serves otherwise; kSystem if no daemon says that the mount is its own, as one
/// that hangs or is too old to hand over.
///
/// A handover takes four steps. The new daemon publishes its record and answers requests, with its
/// mount being nowhere yet. prepare_handover() waits for what it lacks to serve.
/// MountHelper::replace() then puts its mount beneath the old one, and takes that away. Last, the
/// name of the control socket goes over. A new daemon that fails before the third step ends, and
/// nothing was changed; the old one has no part in any step. From then on the old daemon serves
/// whoever is in its mount still, and obeys recalls by its own record, until the kernel ends its
/// connection with the last of them.
Result<Predecessor> find_predecessor(const MountPlan& plan, const std::filesystem::path& control);

/// Returns when a daemon that answers already can serve as its predecessor does: the copy of the
/// policy is current, where it is one, and the POSIX sessions are bound that are bound there.
/// kSystem if that is not to be had.
Result<void> prepare_handover(const Serving& serving);

}  // namespace grantfs
