#pragma once

#include <pthread.h>

namespace grantfs {

/// While it lives, this thread is not cancelled. libfuse ends its threads so (pthread_cancel(3)),
/// which unwinds the stack from within any system call, destructors included.
class Uncancelled {
 public:
  Uncancelled() { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  ~Uncancelled() { ::pthread_setcancelstate(before_, nullptr); }
  Uncancelled(const Uncancelled&) = delete;
  Uncancelled& operator=(const Uncancelled&) = delete;

 private:
  int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace grantfs
