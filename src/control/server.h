#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "control/protocol.h"
#include "grantfs/result.h"

namespace grantfs {

/// Answers a request, which is an object with a text "command". Returns an object; "ok":true is
/// added unless it says "ok" itself. Called on the server's thread, one request at a time: while
/// it runs, other clients wait. What it throws becomes an error answer.
using ControlHandler = std::function<nlohmann::json(const nlohmann::json& request)>;

/// The answer that refuses a request.
nlohmann::json control_error(std::string_view message);

/// A daemon's control socket. Whoever may open the socket may ask: its mode, 0660 with the group
/// of the administrators, is the only check.
///
/// Serves on a thread of its own, started here (so after the last fork) with all signals blocked,
/// and joined by the destructor, which also removes the socket if it is still its own.
class ControlServer {
 public:
  /// Creates `socket`, and kDefaultDirectory if that is where it goes. A socket that nobody
  /// listens on is replaced. kInvalid if the path is too long for a socket, kConflict if a daemon
  /// answers there or something else is in the way, kSystem otherwise.
  static Result<std::unique_ptr<ControlServer>> start(
      const std::filesystem::path& socket, gid_t gid_of_administrators, ControlHandler handler,
      std::chrono::milliseconds client_time = control::kClientTime);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  class Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace grantfs
