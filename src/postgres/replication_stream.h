#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "grantfs/result.h"
#include "postgres/connection.h"
#include "postgres/lsn.h"

namespace grantfs::postgres {

/// What a server says of itself (IDENTIFY_SYSTEM), and when it was started.
struct ServerIdentity {
  std::string system;         ///< the number that initdb gave it and its standbys
  std::int64_t timeline = 0;  ///< another after each failover
  std::string started;        ///< as kServerStarted has it: a standby's is another
};

/// The SQL of the moment at which a server was started, in microseconds: no two servers have one.
inline constexpr const char* kServerStarted =
    "extract(epoch FROM pg_postmaster_start_time())::text";

/// A replication slot that was made, and the snapshot of exactly what it will not send.
struct NewSlot {
  Lsn consistent_point = 0;
  std::string snapshot;  ///< for SET TRANSACTION SNAPSHOT, until the connection is used again
};

/// These take a connection with Settings::replication. Errors are those of Connection.
Result<ServerIdentity> identify_server(Connection& connection);
/// Makes a slot of the plugin pgoutput. `slot`: of [a-z0-9_], 63 characters at most.
Result<NewSlot> create_slot(Connection& connection, const std::string& slot);

/// The stream of a logical replication slot: messages of pgoutput, each transaction once it is
/// committed, in the order of commits. Nothing here waits, except start(). Movable; one thread at a
/// time.
class ReplicationStream {
 public:
  /// A message of pgoutput.
  struct Data {
    std::string_view message;  ///< good until the next call of next()
  };
  /// The server has read its log up to here, and has sent before this all that there is of it.
  struct Keepalive {
    Lsn end = 0;
    bool wants_reply = false;  ///< soon, or it takes us for gone
  };
  using Event = std::variant<Data, Keepalive>;

  /// How far we are: what has arrived, what is on the disk (the server need not send it again), and
  /// what has taken effect.
  struct Progress {
    Lsn written = 0;
    Lsn flushed = 0;
    Lsn applied = 0;
    friend bool operator==(const Progress&, const Progress&) = default;
  };

  /// Begins with the first transaction whose commit ends behind `from`. Both names are of
  /// [a-z0-9_].
  static Result<ReplicationStream> start(Connection connection, const std::string& slot,
                                         const std::string& publication, Lsn from);

  /// To be polled for POLLIN, and for POLLOUT besides while wants_to_write().
  int fd() const;
  bool wants_to_write() const { return unsent_; }

  /// Takes in what has arrived. An error: the stream is over.
  Result<void> receive();
  /// The next event of what has been taken in; none: there is none yet.
  Result<std::optional<Event>> next();
  /// Tells the server how far we are. If it has not taken up the last report yet, this one is left
  /// out: the next says more. `wants_reply`: a Keepalive is to come.
  Result<void> report(const Progress& progress, bool wants_reply);

  /// The server's name, without a password.
  const std::string& name() const { return connection_.name(); }

 private:
  struct Free {
    void operator()(char* bytes) const;
  };
  explicit ReplicationStream(Connection connection) : connection_(std::move(connection)) {}
  Result<void> flush();

  Connection connection_;
  std::unique_ptr<char, Free> message_;
  bool unsent_ = false;
};

}  // namespace grantfs::postgres
