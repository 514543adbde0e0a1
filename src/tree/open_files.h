#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "base/errno.h"
#include "base/refusals.h"
#include "base/unique_fd.h"
#include "grantfs/result.h"
#include "nodes/node_cache.h"
#include "nodes/node_table.h"
#include "nodes/recent_lookups.h"
#include "store/store.h"

namespace grantfs {

/// The files of the store that are open, or at hand in case they are asked for again: as many
/// descriptors as are allowed. No decision is made here. Thread-safe.
class OpenFiles {
 public:
  /// All must outlive it. `most`: of descriptors that are kept.
  OpenFiles(const Store& store, NodeTable& nodes, Refusals& refusals, std::size_t most);

  /// Keeps what a lookup found for the open or the read that is likely to follow. `reads_by_node`:
  /// a read names the node alone, and no open comes before it.
  void keep_at_hand(NodeId node, Located located, bool reads_by_node);
  /// Has a file that may be opened stay readable by file_of() for a while, whatever becomes of its
  /// name.
  void pin(NodeId node, const Located& located);
  /// Whether a descriptor of the file is held.
  bool is_at_hand(NodeId node) { return files_.find(node) || pinned_.find(node); }

  /// The file of a node, to be read by whoever holds it open already, whatever became of its names.
  /// Most of the time from a cache of descriptors.
  Result<std::shared_ptr<OpenedFile>, Errno> file_of(NodeId node, Waiting waiting);
  /// The file found, which all share who have it open through this node.
  Result<std::shared_ptr<OpenedFile>, Errno> share(NodeId node, const Located& located,
                                                   Waiting waiting);
  /// What a file is now. Anything but the node's own file means that it cannot be told.
  Result<Found, Errno> examine(const Place& file, Waiting waiting);

  RecentLookups& recent() { return recent_; }
  /// The node has gone.
  void drop(NodeId node);
  /// Closes what nobody has open.
  void clear();

 private:
  const Store& store_;
  NodeTable& nodes_;
  Refusals& refusals_;
  RecentLookups recent_;
  NodeShare<OpenedFile> opened_;
  NodeCache<OpenedFile> files_;  ///< read lately
  /// Files found lately, by O_PATH: one that is replaced or deleted meanwhile is not gone, and can
  /// be read by whoever opened it, though we are not told who did.
  NodeCache<UniqueFd> pinned_;
};

}  // namespace grantfs
