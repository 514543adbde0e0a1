#include "control/socket.h"

#include <fmt/core.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/quote.h"

namespace grantfs::control {

Result<sockaddr_un> socket_address(const std::filesystem::path& socket) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string& path = socket.native();
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error{ErrorKind::kInvalid, fmt::format("{} cannot name a socket: it needs 1 to {} bytes",
                                                  quoted(path), sizeof address.sun_path - 1)};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd new_socket() {
  return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

int connect_to(const UniqueFd& fd, const sockaddr_un& address) {
  // The sockets API is untyped here (sockaddr(3type)).
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0
             ? 0
             : errno;
}

}  // namespace grantfs::control
