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

/// How far recalls had come when a decision was about to be made.
using RecallMark = std::uint64_t;

/// A decision that is to be lent to the kernel with an entry.
struct Loan {
  Decision decision;
  RecallMark mark;  ///< LentEntries::mark(), taken before the decision
  /// Whether it ends so soon that it must be listed as expiring.
  bool expires_soon = false;
};

/// An entry that the kernel may walk through without asking, or might have a moment ago.
struct LentEntry {
  KernelEntry entry;
  ViewPointer view;
  StorePath path;
  /// The most that has been lent with it, or with anything below it by a rule on it or above it.
  Access lent;
  NodeId leads_to = 0;  ///< which may no longer be what the name leads to
};

}  // namespace grantfs
