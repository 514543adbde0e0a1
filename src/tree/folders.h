#pragma once

#include <memory>

#include "tree/open_folder.h"
#include "tree/tree_parts.h"

namespace grantfs {

/// Opens folders to be listed. Thread-safe.
class Folders {
 public:
  /// `parts` must outlive it, and what it opens.
  explicit Folders(TreeParts& parts) : parts_(parts) {}

  /// See Tree::open_folder().
  Result<std::unique_ptr<OpenFolder>, Errno> open(NodeId node, const Caller& caller,
                                                  Waiting waiting);
  /// Closes descriptors of listings under way.
  void trim() { streams_->clear(); }

 private:
  class Decisions;

  std::unique_ptr<OpenFolder> open_root() const;
  Result<std::unique_ptr<OpenFolder>, Errno> open_at(const Place& folder, const Caller& caller,
                                                     Waiting waiting);
  Result<std::unique_ptr<OpenFolder>, Errno> open_empty(const Place& folder, const Caller& caller);
  /// Whether the caller may list a folder now, and where it is.
  Result<FolderSight, Errno> look(const View& view, const StorePath& path, const Caller& caller,
                                  Waiting waiting);

  TreeParts& parts_;
  std::shared_ptr<FolderStreams> streams_ = std::make_shared<FolderStreams>();
};

}  // namespace grantfs
