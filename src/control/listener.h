#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <filesystem>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs::control {

/// A Unix socket that listens, and its name in the filesystem. The destructor removes that, unless
/// it stands for another by now. Movable; one thread at a time.
class Listener {
 public:
  /// See ControlServer::start. The socket is non-blocking; its mode is 0660, its group `group`.
  static Result<Listener> bind(const std::filesystem::path& socket, gid_t group);
  /// The same of a name that nobody else makes a socket of; kSystem if it is there already.
  static Result<Listener> bind_new(const std::filesystem::path& socket, gid_t group);
  /// The same for a daemon that is to take the place of the one that answers at `socket`: it
  /// listens under another name in the same folder, and take_name() gives it that one. kConflict if
  /// another daemon is about to do the same.
  static Result<Listener> bind_beside(const std::filesystem::path& socket, gid_t group);
  /// Renames the socket, over the one that has the name, in the same folder. kConflict if that is
  /// no socket; kSystem on trouble. fd() may be in use.
  Result<void> take_name(const std::filesystem::path& socket);
  ~Listener();
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_.get(); }

 private:
  Listener(UniqueFd fd, std::filesystem::path name, const struct stat& status)
      : fd_(std::move(fd)), name_(std::move(name)), device_(status.st_dev), inode_(status.st_ino) {}

  UniqueFd fd_;
  std::filesystem::path name_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace grantfs::control
