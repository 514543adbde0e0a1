#pragma once

#include <string_view>

namespace grantctl::nginxconf {

/// Whether a network (an address, CIDR, or a word as nginx takes it) has visitors in it: everybody,
/// or so large a part of the Internet that it cannot be proxies alone.
bool is_wide(std::string_view network);

/// Whether `listen` with this address is reached from this machine alone.
bool is_local_listener(std::string_view address);

}  // namespace grantctl::nginxconf
