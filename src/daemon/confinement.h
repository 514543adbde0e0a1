#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "daemon/options.h"
#include "daemon/preflight.h"
#include "fuse/mount.h"
#include "grantfs/result.h"

namespace grantfs {

/// What the daemon gives up of what a process may do, beyond its capabilities (privileges.h), and
/// why it did not where it did not. By sandbox=: `on` refuses to mount where the kernel cannot;
/// `auto` goes on, and says so.
class Confinement {
 public:
  explicit Confinement(Use asked) : asked_(asked) {}

  /// Limits writing to the folders of the policy, of a source's database and of the record of
  /// accesses, and to the names in the folder of the control socket (write_limits.h). Call it
  /// before threads start, and when the socket is there. kSystem where it fails, or with `on` where
  /// there is no such thing.
  Result<void> limit_writes(const MountPlan& plan, const std::filesystem::path& control,
                            const std::optional<AuditPlace>& audit);

  /// Limits system calls to those that a daemon makes once it is mounted (call_filter.h), for all
  /// threads. kSystem with `on` alone.
  Result<void> limit_calls(bool may_use_io_uring);

  /// Whether it is so, for people: "limited", or why not.
  const std::string& writes() const { return writes_; }
  const std::string& calls() const { return calls_; }

 private:
  /// Takes what came of a limit: a reason to go on without, or not to.
  Result<void> settle(const Error& error, const char* what, std::string& outcome) const;

  const Use asked_;
  std::string writes_ = "not limited yet";
  std::string calls_ = "not limited yet";
};

}  // namespace grantfs
