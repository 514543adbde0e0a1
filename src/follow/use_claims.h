#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/sync.h"
#include "control/claim.h"
#include "control/record.h"
#include "control/server.h"
#include "follow/options.h"
#include "grantfs/result.h"
#include "postgres/statement_under_way.h"

namespace grantfs::follow {

/// Claims uses of links upstream, where they count on all machines, for the daemons of this one:
/// answers at a socket in the folder of their records (control/claim.h).
///
/// It has a connection of its own, to the very server that is followed, and a thread of its own: a
/// claim is a commit, which may wait for a lock or for a standby, while the copy stays current.
/// While nothing is followed, claims are refused. One thread calls it.
class UseClaims {
 public:
  explicit UseClaims(const Options& options);
  ~UseClaims();
  UseClaims(const UseClaims&) = delete;
  UseClaims& operator=(const UseClaims&) = delete;

  /// From now on claims go to the server that was started at this moment
  /// (postgres::kServerStarted). The copy must be there.
  void begin(std::string server_started);
  /// From now on claims are refused.
  void end();

 private:
  using SteadyClock = std::chrono::steady_clock;

  struct Waiting {
    control::Claim claim;
    SteadyClock::time_point until;  ///< nobody waits any longer
    ControlReply reply;
  };
  struct State {
    std::deque<Waiting> waiting;
    std::optional<std::string> server;  ///< of begin(); none: nothing is followed
    bool is_new = false;                ///< begin() or end() was called since the thread looked
    bool stops = false;
    std::condition_variable changed;
  };

  /// Of the server's thread.
  void take(const nlohmann::json& request, const ControlReply& reply);
  // Of this object's own thread.
  void run();
  /// Sees to it that the socket is there, whoever has taken it away.
  void keep_listening();
  Result<void> listen();
  bool listens() const;
  /// Sees to it that there is a connection to this server; none: to no server.
  void keep_connected(const std::optional<std::string>& server);
  Result<void> connect(const std::string& server);
  nlohmann::json answer_to(const Waiting& waiting);
  Result<std::optional<control::ClaimedUse>> claim(const Waiting& waiting);

  const Options& options_;
  Sync<State> state_;
  RepeatedWarning warning_{std::chrono::seconds(30)};
  // Of the thread.
  std::optional<control::RecordFolder> folder_;
  ino_t socket_ = 0;  ///< the inode of the socket's name
  std::unique_ptr<ControlServer> server_;
  std::optional<postgres::StatementUnderWay> connection_;
  std::string connected_to_;  ///< the server that the connection leads to
  std::string trouble_;       ///< why there is no connection
  SteadyClock::time_point connect_again_at_{};
  std::thread thread_;
};

}  // namespace grantfs::follow
