#pragma once

#include <cerrno>

#include "base/errno.h"
#include "grantfs/result.h"

namespace grantfs {

/// Whether a call may wait: for a disk, for another machine, or until whoever has a lease on the
/// file (F_SETLEASE in fcntl(2)) gives it up.
enum class Waiting {
  kAllowed,
  kRefused,  ///< EWOULDBLOCK, unless the kernel has the answer in memory
};

/// Whether a call that was told not to wait would have had to.
template <class Answer>
bool would_wait(const Result<Answer, Errno>& answer) {
  return !answer && answer.error() == Errno{EWOULDBLOCK};
}

}  // namespace grantfs
