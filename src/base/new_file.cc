#include "base/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace grantfs {
namespace {

std::error_code failure() {
  return {errno, std::generic_category()};
}

std::error_code put_on_disk(const UniqueFd& fd) {
  return fd && ::fsync(fd.get()) == 0 ? std::error_code() : failure();
}

}  // namespace

NewFile::NewFile(const std::filesystem::path& wanted)
    : wanted_(wanted), path_(wanted.native() + ".XXXXXX") {
  fd_ = UniqueFd(::mkostemp(path_.data(), O_CLOEXEC));  // mode 0600
  is_ours_ = static_cast<bool>(fd_);
  if (!is_ours_) trouble_ = failure();
}

NewFile::~NewFile() {
  if (!is_ours_) return;
  for (const char* suffix : {"", "-journal", "-wal", "-shm"}) ::unlink((path_ + suffix).c_str());
}

std::error_code NewFile::keep() {
  if (!fd_) fd_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (auto failed = put_on_disk(fd_)) return failed;
  if (::rename(path_.c_str(), wanted_.c_str()) != 0) return failure();
  is_ours_ = false;
  const auto directory = wanted_.has_parent_path() ? wanted_.parent_path() : ".";
  return put_on_disk(UniqueFd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

}  // namespace grantfs
