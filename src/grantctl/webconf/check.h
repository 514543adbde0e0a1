#pragma once

#include "grantctl/context.h"

namespace grantctl {

/// Adds `webconf check` beneath `webconf`.
void add_webconf_check(CLI::App& webconf, Context& context);

}  // namespace grantctl
