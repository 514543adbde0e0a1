#pragma once

#include "base/refusals.h"
#include "doors/doors.h"
#include "lease/lender.h"
#include "nodes/bound_processes.h"
#include "nodes/inode_numbers.h"
#include "nodes/node_table.h"
#include "policy/decisions/judge.h"
#include "store/store.h"
#include "tree/open_files.h"
#include "tree/shown_attributes.h"
#include "tree/tree_options.h"

namespace grantfs {

/// What the parts of a Tree work with. Each is safe to use from any thread.
struct TreeParts {
  TreeParts(Policy& policy_to_ask, const Store& store_to_show, TreeOptions tree_options);

  /// Has whoever reads forget what it has read of a file's node, since the file has changed.
  void tell_of_change(NodeId node) const {
    if (options.on_changed) options.on_changed(node);
  }

  const Store& store;
  TreeOptions options;  ///< not changed after the first lookup
  const InodeNumbers numbers;
  Refusals refusals;
  BoundProcesses processes;
  const Judge judge;
  const Doors doors;
  NodeTable nodes;
  Lender lender;
  OpenFiles files;
  const ShownAttributes shown;
};

}  // namespace grantfs
