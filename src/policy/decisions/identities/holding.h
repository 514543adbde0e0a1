#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "grantfs/timestamp.h"

namespace grantfs {

/// A principal that an identity was found to be, and the way to it.
struct Holding {
  std::string principal;
  std::size_t via;   ///< index of the holding that this one follows from; its own for a seed
  bool live = true;  ///< false if an expired membership lies on the way
  Expiry until;      ///< when the first of the session and memberships on the way ends
};

/// All principals that an identity counts as, its own principal first; empty if the identity is
/// void.
using Holdings = std::vector<Holding>;

}  // namespace grantfs
