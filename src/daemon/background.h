#pragma once

#include <cstdint>
#include <utility>

#include "base/unique_fd.h"
#include "grantfs/result.h"

namespace grantfs {

/// The way to the background has two steps, so that the process that started the daemon waits until
/// the mount answers, and gets the exit status if it never does.
///
/// fork() must come before any thread and before anything that belongs to one process (locks,
/// SQLite, /proc/self). libfuse's fuse_daemonize() tells the parent too early.
class Background {
 public:
  /// Who tells systemd (sd_notify(3)) that the mount answers.
  enum class Systemd : std::uint8_t {
    kToldByChild,
    /// The parent, which is the process of ExecReload=; it says who the main process is from then
    /// on, too.
    kToldByParent,
  };

  /// Stay in the foreground: ready() only tells systemd.
  Background() = default;

  /// Forks. In the child it returns; the parent waits for ready() and leaves with status 0, or
  /// with the child's own if it ends before. Descriptors that were inherited, but for the three
  /// standard ones, are closed.
  static Result<Background> fork(Systemd systemd);

  /// Says that the mount answers: lets the parent go, gives up terminal and working directory, and
  /// tells systemd (sd_notify(3)) if it is listening. From any thread, once.
  void ready();

 private:
  Background(UniqueFd parent, Systemd systemd) : parent_(std::move(parent)), systemd_(systemd) {}

  UniqueFd parent_;
  Systemd systemd_ = Systemd::kToldByChild;
};

}  // namespace grantfs
