#pragma once

#include <string>

#include "grantfs/result.h"

namespace grantfs {

/// The place that records are written to. One thread alone calls it.
class AuditDestination {
 public:
  AuditDestination() = default;
  virtual ~AuditDestination() = default;
  AuditDestination(const AuditDestination&) = delete;
  AuditDestination& operator=(const AuditDestination&) = delete;

  /// Writes whole lines, and takes away those that were written, also if it fails at one.
  virtual Result<void> write(std::string& lines) = 0;
  /// Opens the place anew at the next write: it may be another one by then.
  virtual void reopen() {}
  /// Has what was written outlive a loss of power.
  virtual Result<void> sync() { return {}; }
};

}  // namespace grantfs
