#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "grantfs/decision.h"
#include "grantfs/store_path.h"
#include "nodes/node_ids.h"
#include "nodes/view.h"
#include "store/store.h"

namespace grantfs {

/// What a node is to the kernel.
enum class NodeKind : std::uint8_t {
  kDoor,    ///< a folder of the mount's own: its root, and those in which views are looked up
  kLink,    ///< the symbolic link to the caller's own view
  kMarker,  ///< what has expired: an empty file
  kFolder,  ///< a folder of a view; a view's own root is one
  kFile,    ///< a file of the store in a view, or in several
};

/// What a node stands for, copied out of the table.
struct Place {
  NodeId id = 0;
  NodeKind kind = NodeKind::kDoor;
  DoorNumber door = 0;             ///< outside the views: which
  ViewPointer view{};              ///< none outside the views, and of a file that views share
  StorePath path{};                ///< in the store
  std::vector<std::string> way{};  ///< of a door: the names that lead to it, outermost first
  Found last;                 ///< what the last lookup found there; meaningless outside the views
  FileHandle handle;          ///< of a file
  bool holds_steady = false;  ///< a folder: see LentEntries::hold_steady()
  /// A folder: the most that is lent with the entry that leads there, as far as we know; as
  /// LentEntry::lent. kClosed: nothing.
  Access lent = Access::kClosed;
};

/// Whose the node of a file is, and until when.
enum class FileNode : std::uint8_t {
  /// The name's, as long as it leads to that file. For a kernel that asks at every open, and then
  /// forgets what it has read.
  kOfName,
  /// The same, but no longer than until the file changes: what the kernel has read, it keeps by
  /// node, and comparing times and sizes does not tell it of all changes.
  kOfVersion,
  kShared,  ///< that of all views for servers, whatever the names, until the file changes
};

}  // namespace grantfs
