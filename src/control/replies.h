#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "control/server.h"

namespace grantfs::control {

/// An answer as it is sent, and its client.
struct FinishedReply {
  std::uint64_t client;
  std::string line;  ///< with its newline, at most kMaxLineBytes
};

/// Where answers arrive for the server's thread. The server and every reply that is still out hold
/// the queue, so that a late answer finds it though the server has gone. All methods may be called
/// from any thread.
class ReplyQueue : public std::enable_shared_from_this<ReplyQueue> {
 public:
  /// `wake` is an eventfd, non-blocking.
  explicit ReplyQueue(UniqueFd wake) : wake_(std::move(wake)) {}

  /// Readable when there is an answer to take, or an end.
  int wake_fd() const { return wake_.get(); }

  /// The reply to a client; see ControlReply.
  ControlReply reply_to(std::uint64_t client);

  /// What has arrived since the last call, in order.
  std::vector<FinishedReply> take();

  /// The server is to end: nothing is taken any more.
  void close();
  bool closed();

 private:
  class Pending;
  struct State {
    bool closed = false;
    std::vector<FinishedReply> finished;
  };

  void add(FinishedReply reply);
  void wake() const;

  const UniqueFd wake_;
  Sync<State> state_;
};

/// An answer as a line of at most kMaxLineBytes; an error in its place if it is longer or no
/// object.
std::string to_line(nlohmann::json answer);

}  // namespace grantfs::control
