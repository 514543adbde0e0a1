#include "control/listener.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "base/quote.h"
#include "control/path_error.h"
#include "control/protocol.h"
#include "control/socket.h"

namespace grantfs::control {
namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kPrivateMode = 0600;
constexpr mode_t kSocketMode = 0660;

/// Clears the way for a new socket: removes an old socket that no process listens on.
Result<void> remove_stale(const std::filesystem::path& socket, const sockaddr_un& address) {
  struct stat status = {};
  if (::lstat(socket.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return path_error("cannot look at", socket);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return Error{ErrorKind::kConflict,
                 fmt::format("{} is there already and is no socket; choose another control socket",
                             quoted(socket.native()))};
  }
  const UniqueFd probe = new_socket();
  if (!probe) return path_error("cannot make a socket to try", socket);
  const int error = connect_to(probe, address);
  if (error != ECONNREFUSED) {
    // EAGAIN means that a daemon lives and is too busy to accept one more connection.
    if (error == 0 || error == EAGAIN) {
      return Error{ErrorKind::kConflict,
                   fmt::format("another daemon answers at {}; stop it, or choose another control "
                               "socket",
                               quoted(socket.native()))};
    }
    errno = error;
    return path_error("cannot find out who listens at", socket);
  }
  if (::unlink(socket.c_str()) != 0) return path_error("cannot remove the stale socket", socket);
  return {};
}

/// Gives the socket at `path` its group and mode, and returns which file the socket is. A
/// descriptor names the socket throughout, so that a file put at the path meanwhile is neither
/// followed nor changed.
Result<struct stat> open_to_group(const std::filesystem::path& path, gid_t group) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status = {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return path_error("cannot look at", path);
  if (!S_ISSOCK(status.st_mode)) {
    return Error{ErrorKind::kConflict,
                 fmt::format("{} was replaced while it was made", quoted(path.native()))};
  }
  if (::fchownat(fd.get(), "", static_cast<uid_t>(-1), group, AT_EMPTY_PATH) != 0) {
    return path_error("cannot give to its group", path);
  }
  // fchmod(2) takes no O_PATH descriptor; the descriptor's link in /proc leads to the very same
  // file.
  if (::chmod(fmt::format("/proc/self/fd/{}", fd.get()).c_str(), kSocketMode) != 0) {
    return path_error("cannot set the mode of", path);
  }
  return status;
}

/// Keeps other daemons away from the sockets in the directory while the descriptor is open. The
/// lock is on a file that only this uid can open: anybody who can see a directory can lock the
/// directory itself (flock(2)).
Result<UniqueFd> lock_directory(const std::filesystem::path& directory) {
  const std::filesystem::path name = directory / ".grantfs.lock";
  UniqueFd lock(::open(name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, kPrivateMode));
  if (!lock) return path_error("cannot make the control socket's lock", name);
  constexpr int kTries = 250;
  constexpr std::chrono::milliseconds kPause{20};
  for (int i = 0; i < kTries; ++i) {
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return lock;
    if (errno != EWOULDBLOCK && errno != EINTR) return path_error("cannot lock", name);
    std::this_thread::sleep_for(kPause);
  }
  return Error{ErrorKind::kSystem,
               fmt::format("{} is locked by another process for 5 s; which one? fuser {}",
                           quoted(name.native()), name.native())};
}

}  // namespace

Result<Listener> Listener::bind(const std::filesystem::path& socket, gid_t group) {
  auto address = socket_address(socket);
  if (!address) return address.error();
  const std::filesystem::path directory = socket.has_parent_path() ? socket.parent_path() : ".";
  if (directory == kDefaultDirectory && ::mkdir(directory.c_str(), kDirectoryMode) == 0 &&
      ::chmod(directory.c_str(), kDirectoryMode) != 0) {
    return path_error("cannot set the mode of", directory);
  }
  // When two daemons start together, the second waits here and then finds the first one's socket
  // alive.
  auto lock = lock_directory(directory);
  if (!lock) return lock.error();
  if (auto clear = remove_stale(socket, *address); !clear) return clear.error();
  return bind_new(socket, group);
}

Result<Listener> Listener::bind_beside(const std::filesystem::path& socket, gid_t group) {
  // The name says which socket is meant, and is short: see socket_address().
  const auto hash =
      static_cast<std::uint32_t>(std::hash<std::string>()(socket.filename().native()));
  auto made = bind(socket.parent_path() / fmt::format(".{:08x}.next", hash), group);
  if (made || made.error().kind != ErrorKind::kConflict) return made;
  return Error{ErrorKind::kConflict,
               fmt::format("another daemon is about to take over the control socket {}",
                           quoted(socket.native()))};
}

Result<void> Listener::take_name(const std::filesystem::path& socket) {
  struct stat status = {};
  if (::lstat(socket.c_str(), &status) == 0 && !S_ISSOCK(status.st_mode)) {
    return Error{ErrorKind::kConflict,
                 fmt::format("{} is no socket any more", quoted(socket.native()))};
  }
  if (::rename(name_.c_str(), socket.c_str()) != 0) {
    return path_error("cannot give the control socket its name", socket);
  }
  name_ = socket;
  return {};
}

Result<Listener> Listener::bind_new(const std::filesystem::path& socket, gid_t group) {
  auto address = socket_address(socket);
  if (!address) return address.error();
  UniqueFd fd = new_socket();
  if (!fd) return path_error("cannot make the control socket", socket);
  // Linux gives the socket's name the mode of the socket (unix(7), "Pathname socket ownership and
  // permissions"). The socket stays closed to others until it belongs to its group.
  if (::fchmod(fd.get(), kPrivateMode) != 0 ||
      ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return path_error("cannot make the control socket", socket);
  }
  auto status = open_to_group(socket, group);
  if (!status || ::listen(fd.get(), static_cast<int>(kMaxClients)) != 0) {
    Error error = status ? path_error("cannot listen at", socket) : status.error();
    ::unlink(socket.c_str());
    return error;
  }
  return Listener(std::move(fd), socket, *status);
}

Listener::~Listener() {
  if (!fd_) return;
  struct stat status = {};
  if (::lstat(name_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    ::unlink(name_.c_str());
  }
}

}  // namespace grantfs::control
