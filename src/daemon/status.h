#pragma once

#include <nlohmann/json.hpp>

#include "daemon/serving.h"

namespace grantfs {

/// Writes what `grantctl status` shows into an empty object, which is the caller's to empty
/// (control/document.h). Makes a decision of its own, to see whether decisions can be made.
void write_status(const Serving& serving, nlohmann::json& status);

}  // namespace grantfs
