#pragma once

#include <filesystem>
#include <optional>

#include "audit/audit_trail.h"
#include "daemon/confinement.h"
#include "daemon/options.h"
#include "daemon/preflight.h"
#include "daemon/store_follower.h"
#include "daemon/troubles.h"
#include "fuse/mount.h"
#include "grantfs/policy.h"
#include "grantfs/timestamp.h"
#include "lease/freshness.h"
#include "lease/recall/recaller.h"
#include "store/store.h"
#include "tree/tree.h"

namespace grantfs {

/// The parts of a daemon that serves, for the reports on them. All parts outlive this object.
struct Serving {
  const MountPlan& plan;
  const MountOptions& options;
  const std::filesystem::path& control;
  Enforcement enforcement;  ///< as it is, whatever was asked for
  Timestamp started;
  Policy& policy;
  const Store& store;
  Tree& tree;
  FuseMount& mount;
  Recaller& recaller;
  const std::optional<StoreFollower>& store_follower;  ///< none if the store is not followed
  Troubles& troubles;
  Freshness& freshness;
  const Confinement& confinement;
  AuditTrail* audit;  ///< null: there is no record of accesses

  const char* enforcement_name() const {
    return enforcement == Enforcement::kOpen ? "open" : "lease";
  }
  const char* transport_name() const { return mount.uses_io_uring() ? "io_uring" : "/dev/fuse"; }
};

}  // namespace grantfs
