#pragma once

#include <functional>

#include "grantfs/identity.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "policy/decisions/link_uses.h"

namespace grantfs {

/// What a mount decides by: the policy, and the uses under way of links that may be used so often
/// only. Trouble is reported, and is a refusal to whoever asks. Thread-safe.
class Judge {
 public:
  using Report = std::function<void(const Error&)>;

  /// `uses`: null, and a link that may be used so often only is closed. `report` is told of every
  /// failed decision, from any thread, often: it must be quick; it may be empty. `policy` and
  /// `uses` must outlive it.
  Judge(Policy& policy, LinkUses* uses, Report report)
      : policy_(policy), uses_(uses), report_(std::move(report)) {}

  /// The policy's newest commit, and, of a link that may be used so often only, whether a use is
  /// under way.
  Result<Decision> decide(const Identity& identity, const StorePath& path) const;
  /// The decision on an identity's door. A use of a link begins here, if none is under way.
  Result<ViewRoot> enter(const Identity& identity) const;
  void report(const Error& error) const {
    if (report_) report_(error);
  }

  Policy& policy() const { return policy_; }

 private:
  Policy& policy_;
  LinkUses* uses_;
  Report report_;
};

}  // namespace grantfs
