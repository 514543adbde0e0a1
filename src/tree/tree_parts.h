#pragma once

#include "base/refusals.h"
#include "lease/lender.h"
#include "nodes/bound_processes.h"
#include "nodes/inode_numbers.h"
#include "nodes/node_table.h"
#include "policy/decisions/judge.h"
#include "store/store.h"
#include "tree/attributes/shown_attributes.h"
#include "tree/open_files.h"
#include "tree/tree_options.h"
#include "views/doors.h"

namespace grantfs {

/// The things that all parts of a Tree work with. Each is safe to use from any thread.
struct TreeParts {
  TreeParts(Policy& policy_to_ask, const Store& store_to_show, TreeOptions tree_options);

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
};

}  // namespace grantfs
