#pragma once

#include <sys/un.h>

#include <filesystem>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs::control {

/// The address of a Unix socket; kInvalid if the path is too long for one (unix(7): 107 bytes).
Result<sockaddr_un> socket_address(const std::filesystem::path& socket);

/// A new Unix stream socket, non-blocking and close-on-exec; empty on failure, with errno.
UniqueFd new_socket();

/// connect(2) to a Unix socket: 0 or the error number.
int connect_to(const UniqueFd& fd, const sockaddr_un& address);

}  // namespace grantfs::control
