#pragma once

#include <cstddef>

#include "grantfs/secret.h"

namespace grantfs {

/// Characters of [a-z2-7] from the kernel's random numbers: five bits each.
Secret random_text(std::size_t characters);

}  // namespace grantfs
