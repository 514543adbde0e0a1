#pragma once

#include <cstddef>
#include <filesystem>

#include "grantfs/result.h"

namespace grantfs {

/// Whether mount(2) is permitted, which takes CAP_SYS_ADMIN. The set-uid fusermount3, by which
/// others mount, is no way out: drop_privileges() comes before mounting, and no program that it
/// executes can gain a privilege. kSystem, with what to do.
Result<void> check_may_mount();

/// Keeps the secrets of this process out of other hands: no core dump, no ptrace by the same uid,
/// no file that others may read. Also gives up every capability that is not in use, for this
/// process and all programs that it executes. Call it once, before threads start.
Result<void> drop_privileges();

/// Gives up CAP_SYS_ADMIN as well, by which anything can be mounted. Call it once everything is
/// made that takes it, and before threads start: each thread has capabilities of its own.
Result<void> give_up_mounting();

/// Empties the environment, which is the caller's and may hold his secrets, but for what this
/// program and its libraries ask for later: NOTIFY_SOCKET (sd_notify(3)), TZ. SQLite's temporary
/// files, which hold parts of the policy, go to `folder`. Call it before threads start.
Result<void> clear_environment(const std::filesystem::path& folder);

/// Raises the limit of descriptors to the hard limit, and returns it.
std::size_t raise_descriptor_limit();

}  // namespace grantfs
