#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "control/publication.h"

namespace grantfs {

/// Keeps the daemon known at its database (control/publication.h), on a thread of its own that
/// watches the folder of records (inotify(7)) and looks at it once a second besides: what somebody
/// took away is put back. While the daemon is not known, it must not lend: whoever takes access
/// away would not wait for it.
class RecordKeeper {
 public:
  struct Options {
    std::filesystem::path database;  ///< its real path
    std::function<gid_t()> group;    ///< that administers it, now
    DaemonRecord record;
    ControlHandler handler;
    /// Told that it is known from now on (empty), or is not any more, and why. On the thread, and
    /// by publish(). When it returns, the kernel has nothing that was lent while it was known.
    std::function<void(const std::string& trouble)> on_change;
  };

  explicit RecordKeeper(Options options);
  ~RecordKeeper();
  RecordKeeper(const RecordKeeper&) = delete;
  RecordKeeper& operator=(const RecordKeeper&) = delete;

  /// To be called before anything is lent, and once. Returns when it is known, or cannot be, which
  /// on_change has been told.
  void publish();
  /// From then on it is watched.
  void watch();
  /// Ends the thread and the socket; the record stays until the destructor.
  void stop();
  /// After stop(): the record stays for good, as that of a daemon that was killed does. What was
  /// lent stands, and whoever takes access away has to wait for it.
  void leave_behind();

 private:
  void run();
  void keep();
  /// Waits until something happened, or a second has passed. False: to stop.
  bool wait();
  void renew_watches();

  const Options options_;
  std::unique_ptr<Publication> publication_;
  std::string trouble_;  ///< why it is not known, as was told last
  UniqueFd events_;
  UniqueFd wake_;
  std::thread thread_;
};

}  // namespace grantfs
