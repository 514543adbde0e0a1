#pragma once

#include <memory>

#include "audit/audit_trail.h"
#include "daemon/options.h"
#include "daemon/preflight.h"

namespace grantfs {

/// The record of accesses of a daemon, as the option audit= says. SIGHUP has a file opened anew
/// while this lives.
class Auditing {
 public:
  /// Opens the record. kInvalid if its place is not fit for it.
  static Result<std::unique_ptr<Auditing>> start(const MountPlan& plan,
                                                 const MountOptions& options);
  /// Records that the daemon has ended, if it has begun to serve.
  ~Auditing();
  Auditing(const Auditing&) = delete;
  Auditing& operator=(const Auditing&) = delete;

  /// Null if there is no record.
  AuditTrail* trail() { return trail_.get(); }
  /// Records that the daemon serves, and how.
  void serves(const char* enforcement);

 private:
  Auditing(const MountPlan& plan, const MountOptions& options) : plan_(plan), options_(options) {}

  const MountPlan& plan_;
  const MountOptions& options_;
  std::unique_ptr<AuditTrail> trail_;
  bool serves_ = false;
  bool hears_hangups_ = false;
};

}  // namespace grantfs
