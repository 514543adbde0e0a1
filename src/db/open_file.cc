#include "db/open_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <mutex>
#include <string_view>

namespace grantfs::db {
namespace {

bool is_journal(std::string_view path) {
  constexpr std::array<std::string_view, 3> kEnds{"-journal", "-wal", "-shm"};
  return std::ranges::any_of(kEnds, [&](std::string_view end) { return path.ends_with(end); });
}

/// 0 if the file may be opened, otherwise the errno to refuse with.
int refusal(std::string_view path, const struct stat& status) {
  if (path == "/dev/urandom") return 0;   // SQLite's own source of random numbers
  if (S_ISDIR(status.st_mode)) return 0;  // SQLite syncs a folder so
  if (!S_ISREG(status.st_mode)) return EINVAL;
  // A journal with two names may be another user's file under its second name, and SQLite would
  // write to the file.
  return is_journal(path) && status.st_nlink > 1 ? EMLINK : 0;
}

/// open(2), as SQLite calls it (aSyscall[] in its os_unix.c).
int open_regular(const char* path, int flags, int mode) {
  if ((flags & O_EXCL) != 0) return ::open(path, flags, mode);
  // SQLite has already resolved the symbolic links that lead to the database. A journal is never a
  // symbolic link.
  const int no_link = is_journal(path) ? O_NOFOLLOW : 0;
  const int found = ::open(path, O_PATH | O_CLOEXEC | no_link);
  if (found < 0) {
    if (errno != ENOENT || (flags & O_CREAT) == 0) return -1;
    return ::open(path, flags | O_EXCL, mode);  // not a file that another process made meanwhile
  }
  struct stat status = {};
  const int refused = ::fstat(found, &status) != 0 ? errno : refusal(path, status);
  // A descriptor with O_PATH can be closed without releasing the process's POSIX locks on the file.
  // Closing any other descriptor of the file would release them.
  const auto self = fmt::format("/proc/self/fd/{}", found);
  const int opened =
      refused != 0 ? -1 : ::open(self.c_str(), flags & ~(O_CREAT | O_NOFOLLOW), mode);
  const int error = refused != 0 ? refused : errno;
  ::close(found);
  errno = error;
  return opened;
}

}  // namespace

void use_own_open() {
  static std::once_flag once;
  std::call_once(once, [] {
    sqlite3_vfs* const vfs = sqlite3_vfs_find(nullptr);
    if (vfs == nullptr || vfs->iVersion < 3 || vfs->xSetSystemCall == nullptr) return;
    vfs->xSetSystemCall(vfs, "open", reinterpret_cast<sqlite3_syscall_ptr>(open_regular));
  });
}

}  // namespace grantfs::db
