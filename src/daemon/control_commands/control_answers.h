#pragma once

#include <atomic>
#include <nlohmann/json.hpp>

#include "control/server.h"
#include "daemon/control_commands/serving.h"

namespace grantfs {

/// Answers the commands of the control socket: status, recall, current, bind,
/// bindings. Any thread.
class ControlAnswers {
 public:
  /// Begins to answer all commands; before this call, the answer is that the daemon is starting.
  /// `serving` must outlive this object.
  void begin(const Serving& serving) { serving_ = &serving; }

  /// A ControlHandler.
  void answer(const nlohmann::json& request, const ControlPeer& peer,
              const ControlReply& reply) const;

 private:
  std::atomic<const Serving*> serving_{nullptr};
};

}  // namespace grantfs
