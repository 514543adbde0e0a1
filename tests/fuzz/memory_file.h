#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "fuzz.h"

namespace grantfs::fuzz {

/// A file in memory, for what reads files by path.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    require(fd_ && ::fchmod(fd_.get(), S_IRUSR | S_IWUSR) == 0, "there is a file in memory");
    require(::write(fd_.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
            "it is written");
  }

  /// Opened anew by this path, it is read from its beginning.
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  UniqueFd fd_;
};

}  // namespace grantfs::fuzz
