#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/quote.h"
#include "grantfs/result.h"

namespace grantfs::control {

/// "`what` 'path': why", of the kind kSystem. `what`: "cannot open", say.
inline Error path_error(std::string_view what, const std::filesystem::path& path,
                        int error = errno) {
  return {ErrorKind::kSystem,
          fmt::format("{} {}: {}", what, quoted(path.native()), std::strerror(error))};
}

}  // namespace grantfs::control
