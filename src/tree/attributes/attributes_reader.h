#pragma once

#include "tree/answers.h"
#include "tree/tree_parts.h"

namespace grantfs {

/// Answers stat(2) of what the kernel holds already. Thread-safe.
class AttributesReader {
 public:
  /// `parts` must outlive it.
  explicit AttributesReader(TreeParts& parts) : parts_(parts) {}

  /// See Tree::attributes().
  Result<Attributes, Errno> read(NodeId node, Waiting waiting);

 private:
  Result<Attributes, Errno> read_folder(const Place& folder, const Beginning& beginning,
                                        Waiting waiting);
  Result<Attributes, Errno> read_file(const Place& file, const Beginning& beginning,
                                      Waiting waiting);

  TreeParts& parts_;
};

}  // namespace grantfs
