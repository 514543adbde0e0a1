#pragma once

#include <filesystem>

namespace grantfs {

/// The default path of the control socket: a file in /run/grantfs for each mount point, whose name
/// shows the mount point.
std::filesystem::path default_control_path(const std::filesystem::path& mountpoint);

}  // namespace grantfs
