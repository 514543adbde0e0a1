#pragma once

#include <string_view>

namespace grantctl::nginxconf {

/// Whether a network (an address, CIDR, or a word as nginx takes it) includes visitors: it is
/// everybody, or too large a part of the Internet to be proxies alone.
bool is_wide(std::string_view network);

/// Whether `listen` with this address can be reached from this machine alone.
bool is_local_listener(std::string_view address);

}  // namespace grantctl::nginxconf
