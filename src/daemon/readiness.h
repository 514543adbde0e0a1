#pragma once

#include <thread>

#include "daemon/background.h"
#include "daemon/serving.h"

namespace grantfs {

/// Has `background` told once the mount answers, and says so in the log: on a thread of its own,
/// for it asks the mount, which the caller is about to run. A mount that lacks what was demanded is
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
