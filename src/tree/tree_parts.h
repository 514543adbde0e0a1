#pragma once

#include <chrono>

#include "base/refusals.h"
#include "lease/lender.h"
#include "nodes/bound_processes.h"
#include "nodes/inode_numbers.h"
#include "nodes/node_table.h"
#include "policy/decisions/judge.h"
#include "store/store.h"
#include "tree/access_notes.h"
#include "tree/attributes/shown_attributes.h"
#include "tree/open_files.h"
#include "tree/tree_options.h"
#include "views/doors.h"

namespace grantfs {

/// The moment at which an answer was begun, and the recalls until then. A lease counts from that
/// moment, and the answer is not lent if a recall has begun since.
struct Beginning {
  std::chrono::steady_clock::time_point time = std::chrono::steady_clock::now();
  RecallMark mark;
};

/// The things that all parts of a Tree work with. Each is safe to use from any thread.
struct TreeParts {
  TreeParts(Policy& policy_to_ask, const Store& store_to_show, TreeOptions tree_options);

  /// Comes before anything that the answer rests on is looked at.
  Beginning begin() const { return {.mark = nodes.lent().mark()}; }

  /// Refuses what is permitted and must be recorded, and cannot be.
  Errno refuse_unrecorded();

  const Store& store;
  const TreeOptions options;
  const InodeNumbers numbers;
  Refusals refusals;
  BoundProcesses processes;
  const Judge judge;
  const Doors doors;
  NodeTable nodes;
  Lender lender;
  OpenFiles files;
  const ShownAttributes shown;
  const AccessNotes notes;
};

}  // namespace grantfs
