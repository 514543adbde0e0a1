#include "control/peer.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/pidfd.h"

namespace grantfs {
namespace {

#if !defined(SO_PEERPIDFD)
constexpr int SO_PEERPIDFD = 77;  // asm-generic/socket.h, since Linux 6.5
#endif

Error unknown_peer() {
  return {ErrorKind::kSystem,
          fmt::format("cannot tell which process asks: {}", std::strerror(errno))};
}

}  // namespace

UniqueFd control::pidfd_while_connected(int socket, pid_t pid) {
  UniqueFd pidfd = pidfd_of(pid);
  if (!pidfd) return pidfd;
  char byte = 0;
  const ssize_t size = ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (size >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {  // hung up, or sent too much
    errno = ESRCH;
    return {};
  }
  return pidfd;
}

Result<PeerProcess> ControlPeer::process() const {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return unknown_peer();
  }
  if (credentials.pid <= 0) {  // the peer's pid namespace is not below ours
    errno = ESRCH;
    return unknown_peer();
  }
  int pidfd = -1;
  size = sizeof pidfd;
  if (::getsockopt(socket_, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0) {
    return PeerProcess{credentials.pid, UniqueFd(pidfd)};
  }
  if (errno != ENOPROTOOPT) return unknown_peer();
  UniqueFd opened = control::pidfd_while_connected(socket_, credentials.pid);
  if (!opened) return unknown_peer();
  return PeerProcess{credentials.pid, std::move(opened)};
}

Result<uid_t> ControlPeer::uid() const {
  // What a user of another user namespace is seen as (/proc/sys/kernel/overflowuid): anybody.
  constexpr uid_t kOverflowUid = 65534;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return unknown_peer();
  }
  if (credentials.uid == static_cast<uid_t>(-1) || credentials.uid == kOverflowUid) {
    errno = EPERM;
    return unknown_peer();
  }
  return credentials.uid;
}

}  // namespace grantfs
