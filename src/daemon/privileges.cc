#include "daemon/privileges.h"

#include <fmt/core.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace grantfs {
namespace {

/// The capabilities that the daemon keeps. DAC_OVERRIDE, DAC_READ_SEARCH: the store is 0700 of
/// another uid, and so may be the database, whose -shm file readers write to. FOWNER: O_NOATIME.
/// CHOWN: SQLite gives a -shm file that it makes to the database's owner. SYS_NICE: urgent threads
/// (base/urgent_thread.h).
constexpr std::array<cap_value_t, 5> kNeeded{CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                                             CAP_CHOWN, CAP_SYS_NICE};
/// To make the mount; and later for passthrough alone (FUSE_DEV_IOC_BACKING_OPEN).
constexpr cap_value_t kMounting = CAP_SYS_ADMIN;

Error failed(const char* what) {
  return {ErrorKind::kSystem, fmt::format("{}: {}", what, std::strerror(errno))};
}

enum class Mounting { kKeep, kGiveUp };

Result<void> limit_capabilities(Mounting mounting) {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> have(cap_get_proc(),
                                                                           cap_free);
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> keep(cap_init(), cap_free);
  if (have == nullptr || keep == nullptr) return failed("cannot read capabilities");
  std::vector<cap_value_t> wanted(kNeeded.begin(), kNeeded.end());
  if (mounting == Mounting::kKeep) wanted.push_back(kMounting);
  for (const cap_value_t capability : wanted) {
    cap_flag_value_t permitted = CAP_CLEAR;
    cap_get_flag(have.get(), capability, CAP_PERMITTED, &permitted);
    if (permitted == CAP_CLEAR) continue;
    cap_set_flag(keep.get(), CAP_PERMITTED, 1, &capability, CAP_SET);
    cap_set_flag(keep.get(), CAP_EFFECTIVE, 1, &capability, CAP_SET);
  }
  if (cap_set_proc(keep.get()) != 0) return failed("cannot give up capabilities");
  // A change of capabilities sets the dumpable flag anew (commit_creds() in the kernel's cred.c).
  if (::prctl(PR_SET_DUMPABLE, 0) != 0) return failed("cannot forbid core dumps");
  return {};
}

}  // namespace

Result<void> check_may_mount() {
  const std::unique_ptr<std::remove_pointer_t<cap_t>, int (*)(void*)> have(cap_get_proc(),
                                                                           cap_free);
  if (have == nullptr) return failed("cannot read capabilities");
  cap_flag_value_t effective = CAP_CLEAR;
  cap_get_flag(have.get(), CAP_SYS_ADMIN, CAP_EFFECTIVE, &effective);
  if (effective == CAP_SET) return {};
  return Error{ErrorKind::kSystem,
               "mounting needs root (CAP_SYS_ADMIN); start grantfs as root, by systemctl start "
               "grantfs@NAME or by mount"};
}

Result<void> drop_privileges() {
  ::umask(S_IRWXG | S_IRWXO);
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) return failed("cannot forbid core dumps");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed("cannot set no_new_privs");
  return limit_capabilities(Mounting::kKeep);
}

Result<void> give_up_mounting() {
  return limit_capabilities(Mounting::kGiveUp);
}

Result<void> clear_environment(const std::filesystem::path& folder) {
  std::vector<std::pair<const char*, std::string>> kept{{"SQLITE_TMPDIR", folder.native()}};
  for (const char* name : {"NOTIFY_SOCKET", "TZ"}) {
    if (const char* value = ::getenv(name)) kept.emplace_back(name, value);
  }
  if (::clearenv() != 0) return failed("cannot clear the environment");
  for (const auto& [name, value] : kept) {
    if (::setenv(name, value.c_str(), 1) != 0) return failed("cannot set the environment");
  }
  return {};
}

std::size_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  if (limit.rlim_cur < limit.rlim_max) {
    const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return before;  // go on with the old limit
  }
  return limit.rlim_cur;
}

}  // namespace grantfs
