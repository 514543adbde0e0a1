#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <filesystem>

#include "base/unique_fd.h"
#include "control/record.h"
#include "grantfs/result.h"

namespace grantfs::control {

/// A Unix socket that listens, its name in the filesystem and the daemon's record beside it. The
/// destructor removes both, unless the names stand for others by now. Movable; one thread at a
/// time.
class Listener {
 public:
  /// See ControlServer::start. The socket is non-blocking; its mode is 0660, its group `group`.
  static Result<Listener> bind(const std::filesystem::path& socket, const DaemonRecord& record,
                               gid_t group);
  ~Listener();
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int fd() const { return fd_.get(); }

 private:
  Listener(UniqueFd fd, std::filesystem::path name, const struct stat& status, RecordFile record)
      : record_(std::move(record)),
        fd_(std::move(fd)),
        name_(std::move(name)),
        device_(status.st_dev),
        inode_(status.st_ino) {}

  // Removed after the socket, whose name the destructor removes: a socket without a record would
  // be asked which database it is for.
  RecordFile record_;
  UniqueFd fd_;
  std::filesystem::path name_;
  dev_t device_;
  ino_t inode_;
};

}  // namespace grantfs::control
