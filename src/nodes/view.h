#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "grantfs/identity.h"
#include "grantfs/store_path.h"
#include "nodes/bound_processes.h"
#include "nodes/caller.h"

namespace grantfs {

/// Which of a mount's doors; see doors/doors.h. 0 is the mount's root.
using DoorNumber = std::uint8_t;

/// What the views behind a door are like. The defaults give least.
struct ViewTraits {
  DoorNumber door = 0;
  /// Whether servers read the view on behalf of people whom the kernel does not know. Then nothing
  /// in it depends on the caller, and the kernel may keep its answers. A system user's view is that
  /// user's alone, as that of a session of processes is theirs: every step in it is asked for, lest
  /// root or whoever was handed a folder of it walks on through the kernel's cache.
  bool may_be_lent = false;
  /// Whether nobody but the servers' group and root can hold a file of the view. Then it may share
  /// nodes with other such views: whoever may open a node can watch (inotify(7)) and lock
  /// (flock(2)) it, and so see what all others do who have it.
  bool shares_files = false;
  /// Whether its paths are those of the site's URIs, not the store's. Then every name is an empty
  /// folder, but for the one file that was signed: nothing on the way to it tells what exists.
  /// Names can be made up without end, so those alone are lent that have led to a file.
  bool is_of_uris = false;
  /// Whether its bearer is not to learn what lies beside what he was sent, whatever the option
  /// `denial` says.
  bool hides_neighbours = false;
  /// Of the view's own root.
  mode_t root_mode = S_IFDIR | 0555;
};

/// The part of the mount that one identity sees. Everything below its door is answered for that
/// identity, whoever asks; who may pass the door is up to mode bits and, for the views of system
/// users and of processes, to admits().
struct View {
  Identity identity;
  ViewTraits traits{};
  /// A text that no other view has, and that tells no token: inode numbers are made of it.
  std::string label{};
  uid_t shown_owner = 0;  ///< st_uid of everything in it
  StorePath root{};       ///< the folder of the store that its door leads to
  /// Of a view of processes: which; null otherwise.
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
