#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "grantfs/identity.h"
#include "grantfs/principal.h"
#include "grantfs/store_path.h"
#include "nodes/bound_processes.h"
#include "nodes/caller.h"

namespace grantfs {

/// The number of a door of the mount; see views/doors.h. 0 is the mount's root.
using DoorNumber = std::uint8_t;

/// The traits that all views behind a door have in common. The defaults permit least.
struct ViewTraits {
  DoorNumber door = 0;
  /// Whether servers read the view on behalf of people whom the kernel does not know. Then nothing
  /// in it depends on the caller, and the kernel may keep its answers. The view of a system user,
  /// or of the processes of a POSIX session, belongs to these alone: the kernel asks for every step
  /// in it. Otherwise root, or a process that was handed a folder of the view, could walk on
  /// through the kernel's cache.
  bool may_be_lent = false;
  /// Whether nobody but the servers' group and root can hold a file of the view. Then the view may
  /// share nodes with other such views. Elsewhere nodes are not shared, because a process that may
  /// open a node can watch it (inotify(7)) and lock it (flock(2)), and so sees what all other users
  /// of the node do.
  bool shares_files = false;
  /// Whether the view's paths are URIs of the site, and not paths of the store. Then every name is
  /// an empty folder except the one file that was signed, so that nothing on the way to the file
  /// tells what exists. Names can be made up without end, so only names that have led to a file are
  /// lent.
  bool is_of_uris = false;
  /// Whether the bearer must not learn which files lie beside the one that was shared, whatever the
  /// option `denial` says.
  bool hides_neighbours = false;
  /// Of the view's own root.
  mode_t root_mode = S_IFDIR | 0555;
};

/// A view is the part of the mount that one identity sees. Everything below its door is answered
/// for that identity, no matter which process asks. Mode bits say who may pass the door; for the
/// views of system users and of processes, admits() says so too.
struct View {
  Identity identity;
  ViewTraits traits{};
  /// A text that no other view has and that contains no token. Inode numbers are made from it.
  std::string label{};
  uid_t shown_owner = 0;  ///< st_uid of everything in it
  StorePath root{};       ///< the folder of the store that its door leads to
  /// ViewRoot::principal, where the view may be lent.
  std::optional<Principal> principal{};
  /// The POSIX session of a view of processes; null in all other views.
  std::shared_ptr<const BoundProcess> process{};

  /// Whether the caller may use the view at all. Mode bits would let root into a user's view
  /// (CAP_DAC_OVERRIDE), and a caller may hold a directory obtained by another.
  bool admits(const Caller& caller) const {
    if (process != nullptr) return process->admits(caller);
    const auto* user = std::get_if<SystemUser>(&identity);
    return user == nullptr || user->uid == caller.uid;
  }
};

using ViewPointer = std::shared_ptr<const View>;

}  // namespace grantfs
