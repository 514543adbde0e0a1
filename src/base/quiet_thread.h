#pragma once

#include <pthread.h>

#include <csignal>
#include <functional>
#include <thread>

namespace grantfs {

/// A thread on which all signals are blocked: they are the main thread's, and would be lost here.
/// Throws std::system_error if there is none to be had.
inline std::thread start_quiet_thread(std::function<void()> body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } const restore{before};
  return std::thread(std::move(body));
}

}  // namespace grantfs
