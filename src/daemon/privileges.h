#pragma once

#include <cstddef>

#include "grantfs/result.h"

namespace grantfs {

/// Whether mount(2) is permitted, which takes CAP_SYS_ADMIN. The set-uid fusermount3, by which
/// others mount, is no way out: drop_privileges() comes before mounting, and no program that it
/// executes can gain a privilege. kSystem, with what to do.
Result<void> check_may_mount();

/// Keeps what passes through this process out of other hands: no core dump, no ptrace by the same
/// uid, nothing written that others may read. And gives up every capability but those in use, for
/// this process and whatever it should ever execute. Once, before threads start.
Result<void> drop_privileges();

/// As many descriptors as the hard limit allows; how many those are.
std::size_t raise_descriptor_limit();

}  // namespace grantfs
