#pragma once

#include <sys/types.h>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// A process by its number, as seen from here, and by a pidfd (pidfd_open(2)), which stands for no
/// other when the number is used again.
struct PeerProcess {
  pid_t pid;
  UniqueFd pidfd;
};

/// The process at the other end of a connection to the control socket. Valid only during the
/// handler's call.
class ControlPeer {
 public:
  /// `socket` is the connected socket.
  explicit ControlPeer(int socket) : socket_(socket) {}

  /// The process that called connect(2), even if another process has the socket by now. kSystem if
  /// the process is not seen from here, or has ended.
  Result<PeerProcess> process() const;
  /// The uid of that process when it called connect(2), as seen from here. kSystem if it has none
  /// here, or it cannot be told.
  Result<uid_t> uid() const;

 private:
  int socket_;
};

namespace control {

/// A pidfd of the process `pid` at the other end, for kernels without SO_PEERPIDFD (Linux 6.5). The
/// number stands for that process as long as it runs, and it is taken to run while it is
/// connected. Empty on failure, with errno.
UniqueFd pidfd_while_connected(int socket, pid_t pid);

}  // namespace control
}  // namespace grantfs
