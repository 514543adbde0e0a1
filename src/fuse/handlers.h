#pragma once

#include <fuse_lowlevel.h>

#include <cstdint>
#include <memory>

#include "fuse/handle_set.h"
#include "tree/tree.h"

namespace grantfs {

/// What the handlers need; libfuse hands it to each as the session's user data.
struct HandlerContext {
  explicit HandlerContext(Tree& tree_to_serve) : tree(tree_to_serve) {}

  std::uint64_t open_handles() { return files.size() + folders.size(); }

  Tree& tree;
  HandleSet<std::shared_ptr<OpenFile>> files;
  HandleSet<OpenFolder> folders;
};

/// The operations we answer. Each handler decodes, asks the tree and replies. Absent on purpose:
/// readdirplus (it would fill the kernel's cache without decisions), flush (one upcall less a
/// close), statfs, access and xattrs (they would only tell).
fuse_lowlevel_ops handlers();

}  // namespace grantfs
