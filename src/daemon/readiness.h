#pragma once

#include <functional>
#include <thread>

#include "daemon/background.h"
#include "daemon/control_commands/serving.h"
#include "grantfs/result.h"

namespace grantfs {

/// Tells `background` and the log once the mount answers. It has a thread of its own, because it
/// asks the mount, which the caller is about to run. A mount that lacks a demanded feature is
/// stopped, as is one for which `take_place` fails: that is called once, when the mount answers and
/// before anybody is told.
class Readiness {
 public:
  using TakePlace = std::function<Result<void>()>;
  Readiness(const Serving& serving, Background& background, TakePlace take_place);
  /// Waits for the thread, which ends when the mount has answered or is gone.
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

 private:
  std::thread thread_;
};

}  // namespace grantfs
