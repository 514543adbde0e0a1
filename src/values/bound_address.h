#pragma once

#include <optional>
#include <string>

#include "grantfs/address.h"

namespace grantfs {

/// Whether a session, a link or a signature that is bound to `address` (empty: to none) counts for
/// a client that comes from `from` (none: not known).
inline bool counts_from(const std::string& address, const std::optional<Address>& from) {
  if (address.empty()) return true;
  const auto network = Network::parse(address);
  return from && network && network->contains(*from);
}

}  // namespace grantfs
