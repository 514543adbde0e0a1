#include "store_probe.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace grantctl {

using grantfs::UniqueFd;

StoreContent probe_store(const std::filesystem::path& store, const grantfs::StorePath& path) {
  const UniqueFd root(::open(store.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return StoreContent::kUnknown;

  // The folder through openat2, so that only its last name can be something odd.
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const grantfs::StorePath folder = path.parent();
  const char* folder_name = folder.is_root() ? "." : folder.text().c_str();
  const UniqueFd parent(
      static_cast<int>(::syscall(SYS_openat2, root.get(), folder_name, &how, sizeof how)));
  const auto missing = [](int error) {
    return error == ENOENT || error == ENOTDIR || error == ELOOP || error == EXDEV ||
           error == ENAMETOOLONG;
  };
  if (!parent) return missing(errno) ? StoreContent::kAbsent : StoreContent::kUnknown;

  struct stat status = {};
  const std::string name = path.is_root() ? "." : std::string(path.name());
  if (::fstatat(parent.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return missing(errno) ? StoreContent::kAbsent : StoreContent::kUnknown;
  }
  struct stat parent_status = {};
  if (::fstatat(parent.get(), ".", &parent_status, 0) == 0 &&
      parent_status.st_dev != status.st_dev) {
    return StoreContent::kAbsent;  // a mount point
  }
  if (S_ISREG(status.st_mode)) return StoreContent::kFile;
  if (S_ISDIR(status.st_mode)) return StoreContent::kFolder;
  return StoreContent::kOther;
}

}  // namespace grantctl
