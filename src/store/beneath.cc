#include "store/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace grantfs {
namespace {

bool means_absent(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case EXDEV:
    case ENAMETOOLONG:
    case EACCES:
    case EPERM:
    case ENXIO:
      return true;
    default:
      return false;
  }
}

constexpr std::uint64_t kBeneath =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

int openat2(int base, const char* path, std::uint64_t flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = flags;
  how.resolve = resolve;
  // EAGAIN asks for another try: during a rename the kernel could not tell whether the path stayed
  // beneath (openat2(2)). With RESOLVE_CACHED, EAGAIN may come from a rename or mount anywhere. It
  // may also mean that part of the path is not in memory, and then no further try helps.
  const int tries = (resolve & RESOLVE_CACHED) != 0 ? 3 : 16;
  for (int i = 0; i < tries; ++i) {
    const long fd = ::syscall(SYS_openat2, base, path, &how, sizeof how);
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
  return -1;
}

}  // namespace

Errno absent_or(int error) {
  return Errno{means_absent(error) ? ENOENT : error};
}

Result<UniqueFd, Errno> resolve_beneath(int base, const char* path, Waiting waiting) {
  const std::uint64_t patience = waiting == Waiting::kRefused ? RESOLVE_CACHED : 0;
  UniqueFd fd(openat2(base, *path == '\0' ? "." : path, O_PATH | O_NOFOLLOW | O_CLOEXEC,
                      kBeneath | patience));
  if (!fd) return absent_or(errno);
  return fd;
}

}  // namespace grantfs
