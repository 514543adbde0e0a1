#pragma once

#include <functional>

#include "grantfs/identity.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "policy/decisions/link_uses/link_uses.h"

namespace grantfs {

/// The judge makes the decisions of a mount, by the policy and by the uses under way of links whose
/// uses are limited. A decision that fails is reported, and is a refusal. Thread-safe.
class Judge {
 public:
  using Report = std::function<void(const Error&)>;

  /// `uses`: null if uses are not counted; then a link whose uses are limited is closed. `report`
  /// is called for every failed decision, often, from any thread: it must be quick, and may be
  /// empty. `policy` and `uses` must outlive the judge.
  Judge(Policy& policy, LinkUses* uses, Report report)
      : policy_(policy), uses_(uses), report_(std::move(report)) {}

  /// The decision by the policy's newest commit and, for a link whose uses are limited, by whether
  /// a use is under way.
  Result<Decision> decide(const Identity& identity, const StorePath& path) const;
  /// The decision on an identity's door. Closed, with `uses`, if a use of the link would have to
  /// begin; closed without, whatever else is the reason.
  Result<ViewRoot> enter(const Identity& identity) const;
  /// Begins a use of a link at its door, if its uses are limited and none is under way, so that
  /// enter() finds one. May wait, for a disk or another machine.
  void begin_use(const Identity& identity) const;
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
