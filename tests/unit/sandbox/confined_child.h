#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace grantfs {

inline constexpr int kWorked = 0;
inline constexpr int kNotConfined = 250;

/// The error number of a call that returns a negative number if it fails; kWorked if it works.
inline int outcome(long result) {
  return result < 0 ? errno : kWorked;
}

/// The exit status of a child that calls `confine` and then exits with what `body` returns:
/// kNotConfined if `confine` fails, 1000 and the signal's number if a signal ends the child.
inline int confined(const std::function<bool()>& confine, const std::function<int()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    const bool ready = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && confine();
    ::_exit(ready ? body() : kNotConfined);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

}  // namespace grantfs
