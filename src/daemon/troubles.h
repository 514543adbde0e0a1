#pragma once

#include <chrono>
#include <string>

#include "base/log.h"
#include "base/sync.h"
#include "grantfs/result.h"
#include "grantfs/timestamp.h"

namespace grantfs {

/// What has gone wrong, as `grantctl status` says it. Thread-safe.
class Troubles {
 public:
  /// A decision that failed, for which access was denied.
  struct FailedDecision {
    std::string message;  ///< empty: none did
    Timestamp at{};
  };

  /// Warns, but not every time, and remembers it. Quick.
  void decision_failed(const Error& error);
  FailedDecision last_failed_decision() { return *failed_.lock(); }

  /// Why the store is away; empty: it is there, as at first.
  void set_store_away(const std::string& why) { *store_away_.lock() = why; }
  std::string store_away() { return *store_away_.lock(); }

  /// Why nothing is lent to the kernel: those who take access away cannot know of this daemon, of
  /// which this warns. Empty: they know of it.
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
