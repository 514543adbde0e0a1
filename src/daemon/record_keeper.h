#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "control/publication.h"
#include "daemon/lending.h"

namespace grantfs {

/// Keeps the daemon known at its database (control/publication.h), on a thread of its own that
/// watches the folder of records (inotify(7)) and looks at it once a second besides: what somebody
/// took away is put back. While the daemon is not known, it must not lend: whoever takes access
/// away would not wait for it.
class RecordKeeper {
 public:
  struct Options {
    std::filesystem::path database;  ///< its real path
    DaemonRecord record;
    ControlHandler handler;  ///< answers those who found the record
  };

  explicit RecordKeeper(Options options);
  ~RecordKeeper();
  RecordKeeper(const RecordKeeper&) = delete;
  RecordKeeper& operator=(const RecordKeeper&) = delete;

  /// To be called before anything is lent, and once. Why the daemon cannot be known; empty: it is.
  std::string publish();
  /// From now on the record is watched, and `lending`, which must outlive the thread, is told of
  /// changes.
  void watch(Lending& lending);
  /// Ends the thread and the socket; the record stays until the destructor.
  void stop();
  /// After stop(): the record stays for good, as that of a daemon that was killed does. What was
  /// lent stands, and whoever takes access away has to wait for it.
  void leave_behind();

 private:
  /// Why it failed; empty: it did not.
  std::string try_to_publish();
  void run(Lending& lending);
  void keep(Lending& lending);
  /// Waits until something happened, or a second has passed. False: to stop.
  bool wait();
  void renew_watches();

  const Options options_;
  std::unique_ptr<Publication> publication_;
  std::string trouble_;  ///< why it is not known, as `lending` was told last
  UniqueFd events_;
  UniqueFd wake_;
  std::thread thread_;
};

}  // namespace grantfs
