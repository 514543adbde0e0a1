#pragma once

#include <cstdint>
#include <string>

#include "grantfs/decision.h"
#include "grantfs/store_path.h"
#include "nodes/node_ids.h"
#include "nodes/view.h"

namespace grantfs {

/// A name in a folder, as the kernel's cache has it (a dentry).
struct KernelEntry {
  NodeId parent;
  std::string name;  ///< of a door, a token maybe: it must not reach a log
  friend bool operator==(const KernelEntry&, const KernelEntry&) = default;
};

/// The number of recalls begun so far. A lookup reads it before it decides.
using RecallMark = std::uint64_t;

/// A decision that is to be lent to the kernel with an entry, and the mark that it was made under.
struct Loan {
  Decision decision;
  RecallMark mark;  ///< LentEntries::mark(), taken before the decision
  /// Whether the decision ends so soon that the entry must be listed as expiring.
  bool expires_soon = false;
};

/// An entry that the kernel may walk through without a lookup, or could until a moment ago.
struct LentEntry {
  KernelEntry entry;
  ViewPointer view;
  StorePath path;
  /// The highest access that has been lent with the entry, or, by a rule on it or above it, with an
  /// entry below it.
  Access lent;
  NodeId leads_to = 0;  ///< which may no longer be what the name leads to
};

}  // namespace grantfs
