#pragma once

#include "grantfs/result.h"

namespace grantfs {

/// Keeps what passes through this process out of other hands: no core dump, no ptrace by the same
/// uid, nothing written that others may read. And gives up every capability but those in use, for
/// this process and whatever it should ever execute. Without effect on capabilities for an
/// ordinary user, who has none. Once, before threads start.
Result<void> drop_privileges();

/// As many descriptors as the hard limit allows: each file held open by a client is one.
void raise_descriptor_limit();

}  // namespace grantfs
