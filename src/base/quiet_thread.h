#pragma once

#include <pthread.h>

#include <csignal>
#include <functional>
#include <thread>

namespace grantfs {

/// Signals that tell a thread of what it did itself (signal(7)). No thread may block them: the
/// kernel ends a program whose thread blocks the one that it causes, with no handler asked, and so
/// would a truncated -shm file (db/shm_guard.h).
inline constexpr int kSynchronousSignals[] = {SIGBUS,  SIGSEGV, SIGFPE, SIGILL,
                                              SIGTRAP, SIGSYS,  SIGABRT};

/// A thread on which all signals but the synchronous ones are blocked: they are the main thread's,
/// and would be lost here. Throws std::system_error if there is none to be had.
inline std::thread start_quiet_thread(std::function<void()> body) {
  sigset_t quiet;
  sigset_t before;
  sigfillset(&quiet);
  for (const int signal : kSynchronousSignals) sigdelset(&quiet, signal);
  ::pthread_sigmask(SIG_SETMASK, &quiet, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } const restore{before};
  return std::thread(std::move(body));
}

}  // namespace grantfs
