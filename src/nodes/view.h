#pragma once

#include <sys/types.h>

#include <memory>

#include "grantfs/identity.h"
#include "grantfs/store_path.h"
#include "nodes/bound_processes.h"
#include "nodes/caller.h"

namespace grantfs {

/// The part of the mount that one identity sees. Everything below its door is answered for that
/// identity, whoever asks; who may pass the door is up to mode bits and, for the views of system
/// users and of processes, to admits().
struct View {
  Identity identity;
  uid_t shown_owner = 0;  ///< st_uid of everything in it
  StorePath root{};       ///< the folder of the store that its door leads to
  /// Of an Md5Bearer: whether it shows which URI's time has passed, and not its file.
  bool shows_expired = false;
  /// Of a view of processes: which; null otherwise.
  std::shared_ptr<const BoundProcess> process{};

  /// Whether its paths are those of the site's URIs, not the store's. Then every name is an empty
  /// folder, but for the one file that was signed: nothing on the way to it tells what exists.
  bool is_of_uris() const { return std::holds_alternative<Md5Bearer>(identity); }
  /// Whether it is of one thing, and whoever was sent it is not to learn what lies beside that.
  bool is_of_one_thing() const {
    return std::holds_alternative<LinkBearer>(identity) ||
           std::holds_alternative<SignatureBearer>(identity);
  }

  /// Whether servers read it on behalf of people whom the kernel does not know. Then nothing in it
  /// depends on the caller: the kernel may keep its answers. A system user's view is that user's
  /// alone, as that of a session of processes is theirs, and every step in it is asked for, lest
  /// root or whoever was handed a folder of it walks on through the kernel's cache.
  bool is_for_servers() const {
    return process == nullptr && !std::holds_alternative<SystemUser>(identity);
  }

  /// Whether the servers' group, where there is one (TreeOptions::server_group), and root alone
  /// pass its door. Everybody may enter `public`.
  bool is_behind_servers_door() const {
    return is_for_servers() && !std::holds_alternative<Anyone>(identity);
  }

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
