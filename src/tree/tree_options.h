#pragma once

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "doors/door.h"
#include "grantfs/result.h"
#include "lease/lender.h"
#include "nodes/node_ids.h"
#include "policy/decisions/link_uses.h"
#include "store/store.h"

namespace grantfs {

struct TreeOptions {
  Denial denial = Denial::kHide;
  /// Group whose members alone may pass the doors for servers; none: whoever has a token.
  std::optional<gid_t> server_group{};
  /// Group whose members alone may pass by-user, being trusted to have authenticated the user;
  /// none: then there is no by-user.
  std::optional<gid_t> by_user_group{};
  /// What there is at the root besides by-user, of Doors::all_views(); none: everything.
  std::optional<std::vector<std::string>> views{};
  /// Counts how often links are used; none: a link that may be used so often only is closed.
  LinkUses* link_uses = nullptr;
  FileIdKey key{};     ///< of inode numbers
  timespec mounted{};  ///< shown as the time of what has none of its own
  Lender::Options lending{};
  /// Whether the mount never asks at open(2): a read then names the node alone. If so, and there is
  /// a server_group, the views behind the doors that it alone passes share a node a file.
  bool reads_by_node = false;
  /// How many files may be kept open, a descriptor each, in case they are asked for again.
  std::size_t spare_descriptors = 640;
  /// Told of a file's node whose pages the kernel should forget, as the file has changed since it
  /// read them; called from any thread: it must be quick.
  std::function<void(NodeId)> on_changed{};
  /// Told of every failed decision; called from any thread, often: it must be quick.
  std::function<void(const Error&)> on_policy_error{};
};

}  // namespace grantfs
