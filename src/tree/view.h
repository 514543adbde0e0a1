#pragma once

#include <sys/types.h>

#include <memory>

#include "grantfs/identity.h"

namespace grantfs {

/// The part of the mount that one identity sees. Everything below its door is answered for that
/// identity, whoever asks; who may pass the door is up to mode bits and, for the views of system
/// users, to admits().
struct View {
  Identity identity;
  uid_t shown_owner = 0;  ///< st_uid of everything in it

  /// Whether a caller with this fsuid may use the view at all. Mode bits would let root into a
  /// user's view (CAP_DAC_OVERRIDE), and a caller may hold a directory obtained by another.
  bool admits(uid_t caller) const {
    const auto* user = std::get_if<SystemUser>(&identity);
    return user == nullptr || user->uid == caller;
  }
};

using ViewPointer = std::shared_ptr<const View>;

}  // namespace grantfs
