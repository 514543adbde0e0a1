#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "grantfs/identity.h"
#include "grantfs/result.h"
#include "nodes/caller.h"

namespace grantfs {

/// The POSIX session (setsid(2)) that the caller is in; none if the kernel does not say who calls.
/// One system call. It never looks into /proc, which may wait for the caller's own execve(2).
std::optional<pid_t> posix_session_of(const Caller& caller);

/// A POSIX session whose processes stand for the bearer of a token, for as long as its leader
/// lives. Thread-safe.
class BoundProcess {
 public:
  /// `leader` is a pidfd (pidfd_open(2)) of the process `session`, which leads its POSIX session.
  BoundProcess(pid_t posix_session, UniqueFd leader, SessionBearer bearer);
  ~BoundProcess() = default;
  BoundProcess(const BoundProcess&) = delete;
  BoundProcess& operator=(const BoundProcess&) = delete;

  pid_t posix_session() const { return posix_session_; }
  const SessionBearer& bearer() const { return bearer_; }

  /// Whether the caller is a process of the POSIX session now, and the session is still bound. Two
  /// system calls at most.
  bool admits(const Caller& caller) const;
  /// Whether the POSIX session is still bound: its leader lives, and end() was not called.
  bool lives() const;
  /// Whether another process has been given the leader's number, so that a POSIX session of this
  /// number is not the one that was bound.
  bool is_of_the_past() const;
  /// Ends the binding: nobody is admitted any more.
  void end() { ended_ = true; }

 private:
  const pid_t posix_session_;
  const UniqueFd leader_;
  const SessionBearer bearer_;
  std::atomic<bool> ended_{false};
};

/// The POSIX sessions that are bound, and the bearers that they are bound to. Thread-safe.
class BoundProcesses {
 public:
  /// The most bindings at a time. Each holds a descriptor.
  static constexpr std::size_t kMost = 256;

  /// Binds a POSIX session, and ends an earlier binding of it: nobody but the session's leader can
  /// have asked for that. kInvalid if the process does not lead a session, kConflict if kMost
  /// sessions are bound whose leaders live.
  Result<void> bind(std::shared_ptr<BoundProcess> process);

  /// The same, but leaves an earlier binding of the session as it is.
  Result<void> bind_if_free(std::shared_ptr<BoundProcess> process);

  /// The binding of the caller's POSIX session; null if there was none. A session whose leader has
  /// ended keeps its binding: the processes that are left of it are refused, instead of being taken
  /// for another session.
  std::shared_ptr<const BoundProcess> of(const Caller& caller);

  struct Binding {
    pid_t posix_session;
    TokenHash token;
  };
  /// The POSIX sessions that are bound now, by number.
  std::vector<Binding> list();

 private:
  using Bindings = std::map<pid_t, std::shared_ptr<BoundProcess>>;
  enum class Former { kEnds, kStays };

  Result<void> bind(std::shared_ptr<BoundProcess> process, Former former_binding);

  Sync<Bindings> bindings_;
};

}  // namespace grantfs
