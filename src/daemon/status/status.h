#pragma once

#include <nlohmann/json.hpp>

#include "daemon/control_commands/serving.h"

namespace grantfs {

/// Writes the status that `grantctl status` shows into an empty object, which the caller must empty
/// afterwards (control/document.h). It makes a decision of its own, to see whether decisions can be
/// made.
void write_status(const Serving& serving, nlohmann::json& status);

}  // namespace grantfs
