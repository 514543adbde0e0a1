#pragma once

#include <sys/stat.h>

#include <chrono>
#include <optional>

#include "nodes/node_ids.h"

namespace grantfs {

using LentFrom = std::optional<std::chrono::steady_clock::time_point>;

/// The answer to a lookup.
struct Entry {
  NodeId node;
  struct stat attributes;
  /// The time for which the kernel may believe the answer without asking again; zero: not at all.
  std::chrono::nanoseconds lent_for{0};
  /// The time for which the kernel may believe the attributes, if that is longer.
  std::chrono::nanoseconds attributes_lent_for{0};
  /// The moment from which both count; none if nothing is lent that a decision could take back.
  LentFrom lent_from{};
};

/// The answer to a stat.
struct Attributes {
  struct stat shown;
  std::chrono::nanoseconds lent_for{0};
  LentFrom lent_from{};
};

}  // namespace grantfs
