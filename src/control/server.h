#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>

#include "control/listener.h"
#include "control/peer.h"
#include "control/protocol.h"
#include "grantfs/result.h"

namespace grantfs {

/// Gives a client its answer: an object, to which "ok":true is added unless it says "ok" itself.
///
/// May be called from any thread, during the handler's call or later, also when the client has
/// gone or the server has been destroyed, where it does nothing. The first call counts; later ones
/// do nothing. Copies are one reply; if the last of them goes without a call, the client is told
/// that there is no answer. It never waits.
using ControlReply = std::function<void(nlohmann::json answer)>;

/// Takes a request, an object with a text "command", of a client, and answers it by `reply`, at
/// once or later: then the client waits, until the client time is over, and others are served
/// meanwhile. Called on the server's thread, one request at a time: while it runs, other clients
/// wait. What it throws becomes an error answer. There may be a token in the request: it is wiped
/// after the call.
using ControlHandler = std::function<void(const nlohmann::json& request, const ControlPeer& peer,
                                          const ControlReply& reply)>;

/// The answer that refuses a request.
nlohmann::json control_error(std::string_view message);

/// A daemon's control socket. Whoever may open the socket may ask: its mode, 0660 with the group
/// of the administrators, is the only check.
///
/// Serves on a thread of its own, started here (so after the last fork) with all signals blocked,
/// and joined by the destructor, which also removes the socket if it is still its own, and hangs up
/// on clients that wait for an answer.
class ControlServer {
 public:
  /// Creates `socket`, and kDefaultDirectory if that is where it goes. A socket that nobody listens
  /// on is replaced. kInvalid if the path is too long for a socket, kConflict if a
  /// daemon answers there or something else is in the way, kSystem otherwise.
  static Result<std::unique_ptr<ControlServer>> start(
      const std::filesystem::path& socket, gid_t gid_of_administrators, ControlHandler handler,
      std::chrono::milliseconds client_time = control::kClientTime);
  /// The same on a socket that is made already.
  static Result<std::unique_ptr<ControlServer>> start(
      control::Listener listener, ControlHandler handler,
      std::chrono::milliseconds client_time = control::kClientTime);
  ~ControlServer();

  /// Gives the socket another name: control::Listener::take_name(). One thread at a time.
  Result<void> take_name(const std::filesystem::path& socket);
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  class Impl;
  explicit ControlServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace grantfs
