#pragma once

#include <sys/types.h>

#include <filesystem>

namespace grantfs {

/// Where the control socket is if no option says otherwise: a file in /run/grantfs for each mount
/// point, with a name that shows which.
std::filesystem::path default_control_path(const std::filesystem::path& mountpoint);

/// The group that administers, and may use the socket: that of the directory that holds the
/// database, as it is now.
gid_t administrators(const std::filesystem::path& database);

}  // namespace grantfs
