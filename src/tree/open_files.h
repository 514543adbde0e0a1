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

/// The files of the store that are open, and files that are kept open in case they are asked for
/// again, up to a limit of descriptors. No decision is made here. Thread-safe.
class OpenFiles {
 public:
  /// All must outlive this object. `most`: the most descriptors that are kept.
  OpenFiles(const Store& store, NodeTable& nodes, Refusals& refusals, std::size_t most);

  /// Keeps the file that a lookup found for the open or the read that is likely to follow.
  /// `reads_by_node`: a read names the node alone, and no open comes before it.
  void keep_at_hand(NodeId node, Located located, bool reads_by_node);
  /// Keeps a file that may be opened readable by file_of() for a while, even if its name is
  /// removed.
  void pin(NodeId node, const Located& located);
  /// Whether a descriptor of the file is held.
  bool is_at_hand(NodeId node) { return files_.find(node) || pinned_.find(node); }

  /// The file of a node, to be read by a client that has it open already, whatever became of its
  /// names. Most of the time it comes from a cache of descriptors.
  Result<std::shared_ptr<OpenedFile>, Errno> file_of(NodeId node, Waiting waiting);
  /// The open file of the node. All clients that have the file open through this node share it.
  Result<std::shared_ptr<OpenedFile>, Errno> share(NodeId node, const Located& located,
                                                   Waiting waiting);
  /// The present state of a file. Unknown if anything but the node's own file is found.
  Result<Found, Errno> examine(const Place& file, Waiting waiting);

  RecentLookups& recent() { return recent_; }
  /// Drops what is kept for a node that has gone.
  void drop(NodeId node);
  /// Closes the files that no client has open.
  void clear();

 private:
  const Store& store_;
  NodeTable& nodes_;
  Refusals& refusals_;
  RecentLookups recent_;
  NodeShare<OpenedFile> opened_;
  NodeCache<OpenedFile> files_;  ///< read lately
  /// Files found lately, held by O_PATH. So a file that is replaced or deleted meanwhile does not
  /// go, and a client that has opened it can read it, though opens are not told to us.
  NodeCache<UniqueFd> pinned_;
};

}  // namespace grantfs
