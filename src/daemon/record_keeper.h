#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "base/unique_fd.h"
#include "control/publication.h"
#include "daemon/lending.h"
#include "grantfs/result.h"

namespace grantfs {

/// Keeps the daemon known at its database (control/publication.h). A thread watches the folder of
/// records (inotify(7)), looks at it once a second besides, and puts back a record or socket that
/// somebody took away. While the daemon is not known, it must not lend, because commands that take
/// access away would not wait for it. The same thread closes what is kept open when little is
/// asked.
class RecordKeeper {
 public:
  struct Options {
    std::filesystem::path database;  ///< its real path
    DaemonRecord record;
    ControlHandler handler;  ///< answers those who found the record
  };

  /// kSystem if there is no descriptor for what wakes its thread.
  static Result<std::unique_ptr<RecordKeeper>> make(Options options);
  ~RecordKeeper();
  RecordKeeper(const RecordKeeper&) = delete;
  RecordKeeper& operator=(const RecordKeeper&) = delete;

  /// Publishes the record. Call it once, before anything is lent. Returns why the daemon cannot be
  /// known; empty if it is known. A record that is `linked` is the one that the link beside the
  /// control socket leads to (Publication::link_from_control()).
  std::string publish(bool linked);
  /// Begins to watch the record, and tells `lending`, which must outlive the thread, of changes.
  void watch(Lending& lending);
  /// Has the link beside the control socket lead to this record from now on. Any thread.
  void link();
  /// Ends the thread and the socket; the record stays until the destructor.
  void stop();
  /// Makes the record stay after the destructor, as that of a killed daemon does; call it after
  /// stop(). What was lent still stands, and commands that take access away have to wait for the
  /// lease.
  void leave_behind();

 private:
  RecordKeeper(Options options, UniqueFd wake);
  /// Returns why it failed; empty if it did not.
  std::string try_to_publish();
  void run(Lending& lending);
  void keep(Lending& lending);
  /// Waits until something happened, or a second has passed. False: to stop.
  bool wait();
  void renew_watches();
  void wake() const;

  const Options options_;
  std::unique_ptr<Publication> publication_;
  std::string trouble_;  ///< why it is not known, as `lending` was told last
  UniqueFd events_;
  const UniqueFd wake_;  ///< an eventfd, by which stop() and link() wake the thread
  std::atomic<bool> ends_{false};
  std::atomic<bool> linked_{false};
  std::thread thread_;
};

}  // namespace grantfs
