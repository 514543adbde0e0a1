#include "audit/audit_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/quote.h"

namespace grantfs {
namespace {

constexpr mode_t kMode = 0640;

bool is_trusted(uid_t uid) {
  return uid == 0 || uid == ::geteuid();
}

/// The end of a file that ends within a line: whoever wrote it last was killed, or had no room.
bool ends_within_a_line(int file, off_t size) {
  char last = '\n';
  return size > 0 && ::pread(file, &last, 1, size - 1) == 1 && last != '\n';
}

}  // namespace

Error AuditFile::failed(const char* what) const {
  return {ErrorKind::kSystem,
          fmt::format("{} {}: {}", what, quoted(path_.native()), std::strerror(errno))};
}

Result<std::unique_ptr<AuditFile>> AuditFile::open(std::filesystem::path path) {
  std::unique_ptr<AuditFile> file(new AuditFile(std::move(path)));
  if (auto opened = file->open(); !opened) return opened.error();
  return file;
}

Result<void> AuditFile::open() {
  const UniqueFd folder(::open(path_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status = {};
  if (!folder || ::fstat(folder.get(), &status) != 0) return failed("no folder for the record");
  if (!is_trusted(status.st_uid) || (status.st_mode & S_IWOTH) != 0) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("others could put another file in the place of the record {}; make "
                             "a folder for it: install -d -m 2750 -g adm /var/log/grantfs",
                             quoted(path_.native()))};
  }
  const std::string name = path_.filename();
  constexpr int kFlags = O_RDWR | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  UniqueFd file(::openat(folder.get(), name.c_str(), kFlags));
  if (!file && errno == ENOENT) {
    file = UniqueFd(::openat(folder.get(), name.c_str(), kFlags | O_CREAT | O_EXCL, kMode));
    if (file && ::fchmod(file.get(), kMode) != 0) return failed("cannot set the mode of");
  }
  if (!file || ::fstat(file.get(), &status) != 0) return failed("cannot open the record");
  if (!S_ISREG(status.st_mode) || status.st_nlink != 1 || !is_trusted(status.st_uid) ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("the record {} is not a regular file that root alone may write to, by "
                             "one name; move it away",
                             quoted(path_.native()))};
  }
  if (ends_within_a_line(file.get(), status.st_size) && ::write(file.get(), "\n", 1) != 1) {
    return failed("cannot write to the record");
  }
  file_ = std::move(file);
  begun_ = 0;
  return {};
}

bool AuditFile::is_there() const {
  struct stat open = {};
  struct stat found = {};
  return file_ && ::fstat(file_.get(), &open) == 0 && ::lstat(path_.c_str(), &found) == 0 &&
         open.st_dev == found.st_dev && open.st_ino == found.st_ino;
}

Result<void> AuditFile::write(std::string& lines) {
  if (!is_there()) {
    file_.reset();
    if (auto opened = open(); !opened) return opened;
  }
  std::size_t written = begun_;
  int error = 0;
  while (written < lines.size() && error == 0) {
    const ssize_t size = ::write(file_.get(), lines.data() + written, lines.size() - written);
    if (size > 0) {
      written += static_cast<std::size_t>(size);
    } else if (size == 0 || errno != EINTR) {
      error = size == 0 ? ENOSPC : errno;
    }
  }
  const auto last = written == 0 ? std::string::npos : lines.rfind('\n', written - 1);
  const std::size_t whole = last == std::string::npos ? 0 : last + 1;
  lines.erase(0, whole);
  begun_ = written - whole;
  if (error == 0) return {};
  errno = error;
  return failed("cannot write to the record");
}

Result<void> AuditFile::sync() {
  if (file_ && ::fdatasync(file_.get()) != 0) return failed("cannot write to the disk the record");
  return {};
}

}  // namespace grantfs
