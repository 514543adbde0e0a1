#pragma once

#include <sys/types.h>

#include <cstddef>
#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "audit/audit_trail.h"
#include "grantfs/result.h"
#include "lease/lender.h"
#include "nodes/node_ids.h"
#include "policy/decisions/link_uses/link_uses.h"
#include "store/store.h"
#include "views/door.h"

namespace grantfs {

struct TreeOptions {
  Denial denial = Denial::kHide;
  /// The group whose members alone may pass the doors for servers; none: anybody with a token may.
  std::optional<gid_t> server_group{};
  /// The group whose members alone may pass by-user; none: there is no by-user. Its members are
  /// trusted to have authenticated the user.
  std::optional<gid_t> by_user_group{};
  /// The doors at the root besides by-user, by their names in Doors::all_views(); none: all of
  /// them.
  std::optional<std::vector<std::string>> views{};
  /// Counts the uses of links; none: a link whose uses are limited is closed.
  LinkUses* link_uses = nullptr;
  FileIdKey key{};     ///< of inode numbers
  timespec mounted{};  ///< shown as the time of what has none of its own
  Lender::Options lending{};
  /// Whether the kernel never asks at open(2): a read then names the node alone. If so, and there
  /// is a server_group, the views behind the doors that only this group passes share one node for
  /// each file.
  bool reads_by_node = false;
  /// How many files may be kept open, a descriptor each, in case they are asked for again.
  std::size_t spare_descriptors = 640;
  /// The record of accesses; none: there is no record.
  AuditTrail* audit = nullptr;
  /// Called for every failed decision, often, from any thread. It must be quick.
  std::function<void(const Error&)> on_policy_error{};
};

}  // namespace grantfs
