#pragma once

#include <thread>

#include "daemon/background.h"
#include "daemon/control_commands/serving.h"

namespace grantfs {

/// Tells `background` and the log once the mount answers. It has a thread of its own, because it
/// asks the mount, which the caller is about to run. A mount that lacks a demanded feature is
/// stopped.
class Readiness {
 public:
  Readiness(const Serving& serving, Background& background);
  /// Waits for the thread, which ends when the mount has answered or is gone.
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

 private:
  std::thread thread_;
};

}  // namespace grantfs
