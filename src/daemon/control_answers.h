#pragma once

#include <atomic>
#include <nlohmann/json.hpp>

#include "control/server.h"
#include "daemon/serving.h"

namespace grantfs {

/// Answers what is asked by the control socket: status, recall, bind, bindings. Any thread.
class ControlAnswers {
 public:
  /// From now on all is answered; before, that the daemon is starting. `serving` must outlive this.
  void begin(const Serving& serving) { serving_ = &serving; }

  /// A ControlHandler.
  void answer(const nlohmann::json& request, const ControlPeer& peer,
              const ControlReply& reply) const;

 private:
  std::atomic<const Serving*> serving_{nullptr};
};

}  // namespace grantfs
