#pragma once

#include <sys/types.h>

#include <filesystem>

namespace grantfs {

/// The default path of the control socket: a file in /run/grantfs for each mount point, whose name
/// shows the mount point.
std::filesystem::path default_control_path(const std::filesystem::path& mountpoint);

/// The group of administrators, which may use the socket: the present group of the directory that
/// holds the database.
gid_t administrators(const std::filesystem::path& database);

}  // namespace grantfs
