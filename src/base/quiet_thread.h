#pragma once

#include <pthread.h>

#include <array>
#include <csignal>
#include <functional>
#include <string>
#include <system_error>
#include <thread>

namespace grantfs {

/// Signals that tell a thread of what it did itself (signal(7)). No thread may block them: the
/// kernel ends a program whose thread blocks the one that it causes, with no handler asked, and so
/// would a truncated -shm file (db/shm_guard.h).
inline constexpr std::array kSynchronousSignals = {SIGBUS,  SIGSEGV, SIGFPE, SIGILL,
                                                   SIGTRAP, SIGSYS,  SIGABRT};

/// What threads and memory are limited by, for messages.
inline constexpr const char* kLimits = "memory or processes (ulimit -v, -u; TasksMax=, MemoryMax=)";

/// A thread on which all signals but the synchronous ones are blocked: they are the main thread's,
/// and would be lost here. `name` (a literal of 15 characters at most) is what ps -L shows. Throws
/// std::system_error if there is none to be had. What `body` throws ends the program.
inline std::thread start_quiet_thread(const char* name, std::function<void()> body) {
  sigset_t quiet;
  sigset_t before;
  sigfillset(&quiet);
  for (const int signal : kSynchronousSignals) sigdelset(&quiet, signal);
  ::pthread_sigmask(SIG_SETMASK, &quiet, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } const restore{before};
  try {
    return std::thread([name, body = std::move(body)] {
      ::pthread_setname_np(::pthread_self(), name);
      body();
    });
  } catch (const std::system_error& error) {
    throw std::system_error(
        error.code(), std::string("cannot start a thread; is there a limit on ") + kLimits + '?');
  }
}

}  // namespace grantfs
