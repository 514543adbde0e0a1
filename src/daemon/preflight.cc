#include "daemon/preflight.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>

#include "base/quote.h"
#include "base/unique_fd.h"
#include "daemon/mount_table.h"
#include "fuse/mount.h"
#include "store/beneath.h"

namespace grantfs {
namespace {

namespace fs = std::filesystem;

Error unfit(std::string message) {
  return {ErrorKind::kInvalid, std::move(message)};
}

std::string in_quotes(const fs::path& path) {
  return quoted(path.native());
}

/// Whether the mount that shows at the path is a grantfs.
bool is_ours(const MountTable& table, const fs::path& path) {
  const auto* mount = table.mounted_on(path);
  return mount != nullptr && mount->type == kMountType;
}

/// `seen_as` is the path under which to look into the mount point.
Result<void> check_empty(const fs::path& mountpoint, const fs::path& seen_as) {
  std::error_code error;
  const bool empty = fs::is_empty(seen_as, error);
  if (!error && empty) return {};
  return unfit(
      fmt::format("the mount point {} is not empty: what is in it would be hidden, and "
                  "exposed whenever nothing is mounted; use an empty directory",
                  in_quotes(mountpoint)));
}

/// Refuses a machine where openat2(2), by which alone the store is read, is not there: before Linux
/// 5.8, or behind a filter of system calls (systemd's for RestrictSUIDSGID=, since 247).
Result<void> check_openat2(const fs::path& store) {
  const UniqueFd folder(::open(store.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return {};
  const auto opened = resolve_beneath(folder.get(), ".", Waiting::kAllowed);
  if (opened || opened.error() != Errno{ENOSYS}) return {};
  return unfit(
      "openat2(2) is not there, without which the store cannot be read: it takes Linux 5.8, and a "
      "service of systemd without RestrictSUIDSGID=, which takes it away");
}

Result<fs::path> check_store(const fs::path& store) {
  std::error_code error;
  const fs::path real = fs::canonical(store, error);
  if (error) {
    const bool missing = error == std::errc::no_such_file_or_directory;
    // The error is not kInvalid: the store's disk may still come, and systemd is to try again.
    return Error{
        ErrorKind::kSystem,
        fmt::format("no store at {}: {}; {}", in_quotes(store), error.message(),
                    missing
                        ? "name the directory that holds the private files, mount the disk that "
                          "it is on, or make it: install -d -m 700 -o APPLICATION DIRECTORY"
                        : "name the directory that holds the private files")};
  }
  if (!fs::is_directory(real, error)) {
    return unfit(fmt::format("the store {} is not a directory", in_quotes(store)));
  }
  if (::access(real.c_str(), R_OK | X_OK) != 0) {
    const bool is_root = ::geteuid() == 0;
    return unfit(fmt::format(
        "the store {} cannot be read: {}; {}", in_quotes(store), std::strerror(errno),
        is_root ? "what it is on does not let root in: export NFS with no_root_squash, or with "
                  "anonuid= naming the user whose files they are (exports(5)); mount FUSE with "
                  "allow_root"
                : "run as root"));
  }
  if (auto there = check_openat2(real); !there) return there.error();
  return real;
}

/// Checks that a mount of ours is there. Its daemon, which may hang, is not asked, unless the path
/// is a symbolic link.
Result<fs::path> check_serving(fs::path mountpoint) {
  char first = 0;  // fs::is_symlink() would ask for attributes
  std::error_code error;
  if (::readlink(mountpoint.c_str(), &first, 1) > 0) {
    mountpoint = fs::weakly_canonical(mountpoint, error);
  }
  if (is_ours(MountTable::read(), mountpoint)) return mountpoint;
  return unfit(fmt::format("no grantfs is mounted on {} that could hand over: leave out handover",
                           in_quotes(mountpoint)));
}

/// Checks the mount point. A dead mount tells nothing of the folder under it, so that then only
/// `dead` is set.
Result<fs::path> check_mountpoint(const fs::path& given, Expected expected, bool& dead) {
  std::error_code error;
  // canonical() would look at the mount point itself, and a dead mount does not answer. So the path
  // is made absolute and normal by its text.
  fs::path absolute = fs::absolute(given).lexically_normal();
  if (!absolute.has_filename()) absolute = absolute.parent_path();
  const fs::path parent = fs::canonical(absolute.parent_path(), error);
  if (error) {
    return unfit(fmt::format("no mount point {}: {}; make the directory first", in_quotes(given),
                             error.message()));
  }
  fs::path mountpoint = parent / absolute.filename();
  if (expected == Expected::kServing) return check_serving(std::move(mountpoint));

  if (is_dead_mount(mountpoint)) {
    if (!is_ours(MountTable::read(), mountpoint)) {
      return unfit(fmt::format("{} is a dead mount, and not one of grantfs; unmount it first",
                               in_quotes(mountpoint)));
    }
    dead = true;
    return mountpoint;
  }
  mountpoint = fs::canonical(mountpoint, error);
  if (error) {
    return unfit(fmt::format("no mount point {}: {}; make the directory first", in_quotes(given),
                             error.message()));
  }
  if (!fs::is_directory(mountpoint, error)) {
    return unfit(fmt::format("the mount point {} is not a directory", in_quotes(mountpoint)));
  }
  if (is_ours(MountTable::read(), mountpoint)) {
    return unfit(
        fmt::format("{0} has a grantfs mounted already; unmount it first: umount {1}; or "
                    "have it hand over to this one: -o handover",
                    in_quotes(mountpoint), mountpoint.native()));
  }
  if (auto empty = check_empty(mountpoint, mountpoint); !empty) return empty.error();
  return mountpoint;
}

Result<void> check_outside(const fs::path& database, const fs::path& store,
                           const fs::path& mountpoint) {
  const MountTable table = MountTable::read();
  if (table.lies_inside(database, store)) {
    return unfit(
        fmt::format("the database {} lies inside the store {}, whose contents it decides "
                    "about; keep it elsewhere, as in /var/lib/grantfs",
                    in_quotes(database), in_quotes(store)));
  }
  if (table.lies_inside(database, mountpoint)) {
    return unfit(
        fmt::format("the database {} lies inside the mount point {}, which would hide it; "
                    "keep it elsewhere, as in /var/lib/grantfs",
                    in_quotes(database), in_quotes(mountpoint)));
  }
  return {};
}

/// Refuses a store on NFS 4 while the client asks for delegations of folders. With one, the client
/// believes of a folder the names that it knew before, those that were gone by then included
/// (nfs_check_verifier() in fs/nfs/dir.c, seen in Linux 7.2), and nothing makes it ask, not
/// lookupcache=none either: a file that another machine moved away would be served on.
Result<void> check_delegations(const MountTable& table, const fs::path& store) {
  const auto* const mount = table.containing(store);
  if (mount == nullptr || mount->type != "nfs4") return {};
  char asks = 'N';
  std::ifstream("/sys/module/nfsv4/parameters/directory_delegations") >> asks;
  if (asks != 'Y') return {};
  return unfit(fmt::format(
      "the store {} is on NFS 4, and this kernel's client believes names that are gone, by "
      "delegations of folders: echo 0 >/sys/module/nfsv4/parameters/directory_delegations, and for "
      "the next boot a line \"options nfsv4 directory_delegations=0\" in /etc/modprobe.d; then "
      "mount "
      "the store anew",
      in_quotes(store)));
}

}  // namespace

Result<MountPlan> plan_mount(const fs::path& store_given, const fs::path& mountpoint_given,
                             const fs::path& database_given, Expected expected) {
  auto store = check_store(store_given);
  if (!store) return store.error();
  bool dead = false;
  auto mountpoint = check_mountpoint(mountpoint_given, expected, dead);
  if (!mountpoint) return mountpoint.error();

  std::error_code error;
  const fs::path database = fs::weakly_canonical(database_given, error);
  if (error) {
    return unfit(
        fmt::format("no policy database at {}: {}", in_quotes(database_given), error.message()));
  }
  const MountTable table = MountTable::read();
  if (table.leads_through(*store, kMountType)) {
    return unfit(fmt::format(
        "the store {} is, or lies in, a mount of grantfs: it would show what one "
        "identity may read to others; name the directory that holds the files themselves",
        in_quotes(*store)));
  }
  if (auto fit = check_delegations(table, *store); !fit) return fit.error();
  if (table.lies_inside(*mountpoint, *store)) {
    return unfit(fmt::format("the mount point {} lies inside the store {}; mount it elsewhere",
                             in_quotes(*mountpoint), in_quotes(*store)));
  }
  if (table.lies_inside(*store, *mountpoint)) {
    return unfit(
        fmt::format("the store {} lies inside the mount point {}, which would hide it; "
                    "mount elsewhere",
                    in_quotes(*store), in_quotes(*mountpoint)));
  }
  if (auto outside = check_outside(database, *store, *mountpoint); !outside) {
    return outside.error();
  }
  return MountPlan{*store, *mountpoint, database, {}, dead, {}};
}

std::string store_open_to_others(const fs::path& store) {
  for (fs::path folder = store;; folder = folder.parent_path()) {
    struct stat status = {};
    if (::stat(folder.c_str(), &status) != 0 || (status.st_mode & S_IXOTH) == 0) return {};
    if (folder == folder.parent_path()) break;
  }
  return fmt::format(
      "any user of this machine may enter the store {}, and so get at its files without the mount; "
      "if others need nothing in there, run: chmod o= {}",
      in_quotes(store), store.native());
}

Result<void> check_source(const MountPlan& plan, const fs::path& database) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(database, error);
  if (error) {
    return unfit(fmt::format("no database at {}: {}", in_quotes(database), error.message()));
  }
  return check_outside(real, plan.store, plan.mountpoint);
}

Result<Underlying> look_beneath(const fs::path& mountpoint) {
  const auto fail = [&] {
    return Error{ErrorKind::kSystem, fmt::format("cannot look at the directory {} itself: {}",
                                                 in_quotes(mountpoint), std::strerror(errno))};
  };
  // In a copy of the parent's mount, no other mount covers the folders within.
  const UniqueFd parent(
      ::open_tree(AT_FDCWD, mountpoint.parent_path().c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!parent) return fail();
  const UniqueFd folder(::openat(parent.get(), mountpoint.filename().c_str(),
                                 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status = {};
  if (!folder || ::fstat(folder.get(), &status) != 0) return fail();
  if (auto empty = check_empty(mountpoint, fmt::format("/proc/self/fd/{}", folder.get())); !empty) {
    return empty.error();
  }
  return Underlying{(status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0};
}

}  // namespace grantfs
