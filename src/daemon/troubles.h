#pragma once

#include <chrono>
#include <string>

#include "base/log.h"
#include "base/sync.h"
#include "grantfs/result.h"
#include "grantfs/timestamp.h"

namespace grantfs {

/// The troubles of a daemon, as `grantctl status` shows them. Thread-safe.
class Troubles {
 public:
  /// A decision that failed, for which access was denied.
  struct FailedDecision {
    std::string message;  ///< empty: none did
    Timestamp at{};
  };

  /// Remembers a failed decision, and warns of it, but not every time. Quick.
  void decision_failed(const Error& error);
  FailedDecision last_failed_decision() { return *failed_.lock(); }

  /// Sets why the store is away; empty: it is there, as at first.
  void set_store_away(const std::string& why) { *store_away_.lock() = why; }
  std::string store_away() { return *store_away_.lock(); }

  /// Sets why nothing is lent to the kernel, and warns of it: commands that take access away cannot
  /// know of this daemon. Empty: they know of it.
  void set_unknown(const std::string& why);
  std::string unknown() { return *unknown_.lock(); }

 private:
  static constexpr std::chrono::seconds kWarnEvery{10};

  RepeatedWarning warning_{kWarnEvery};
  Sync<FailedDecision> failed_;
  Sync<std::string> store_away_;
  Sync<std::string> unknown_;
};

}  // namespace grantfs
