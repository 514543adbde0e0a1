#include "sandbox/write_limits.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/quote.h"
#include "base/unique_fd.h"
#include "sandbox/sanitized.h"

namespace grantfs {
namespace {

// From linux/landlock.h as of Linux 6.12; Debian 12's is older.
struct RulesetAttributes {
  std::uint64_t files = 0;
  std::uint64_t network = 0;
  std::uint64_t scoped = 0;
};
constexpr std::uint64_t kRefer = 1ULL << 13;     // LANDLOCK_ACCESS_FS_REFER
constexpr std::uint64_t kTruncate = 1ULL << 14;  // LANDLOCK_ACCESS_FS_TRUNCATE
constexpr std::uint64_t kDevices = 1ULL << 15;   // LANDLOCK_ACCESS_FS_IOCTL_DEV
constexpr std::uint64_t kTcp =
    0b11;  // LANDLOCK_ACCESS_NET_BIND_TCP, LANDLOCK_ACCESS_NET_CONNECT_TCP
constexpr std::uint64_t kSignals = 1ULL << 1;  // LANDLOCK_SCOPE_SIGNAL

constexpr std::uint64_t kChangesOfFirstVersion =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |
    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
    LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM;

/// What a version of Landlock can refuse, and is to.
RulesetAttributes refused_from(int version) {
  RulesetAttributes all;
  all.files = kChangesOfFirstVersion;
  if (version >= 2) all.files |= kRefer;
  if (version >= 3) all.files |= kTruncate;
  if (version >= 4) all.network = kTcp;
  if (version >= 5) all.files |= kDevices;
  if (version >= 6) all.scoped = kSignals;
  return all;
}

std::uint64_t allowed(Writable::What what) {
  constexpr std::uint64_t kWrite = LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate;
  switch (what) {
    case Writable::What::kFile:
      return kWrite;
    case Writable::What::kDatabase:
      return kWrite | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
             LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
             LANDLOCK_ACCESS_FS_REMOVE_DIR | kRefer;
    case Writable::What::kSockets:
      return LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_SYM |
             LANDLOCK_ACCESS_FS_REMOVE_FILE;
  }
  return 0;
}

Result<void> allow(const UniqueFd& ruleset, const Writable& place, std::uint64_t known) {
  const UniqueFd fd(::open(place.path.c_str(), O_PATH | O_CLOEXEC));
  landlock_path_beneath_attr rule{};
  rule.allowed_access = allowed(place.what) & known;
  rule.parent_fd = fd.get();
  if (fd &&
      ::syscall(SYS_landlock_add_rule, ruleset.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0) {
    return {};
  }
  return Error{ErrorKind::kSystem, fmt::format("cannot go on writing to {}: {}",
                                               quoted(place.path.native()), std::strerror(errno))};
}

}  // namespace

Result<int> limit_writes(const std::vector<Writable>& places) {
  if (kSanitized) {
    return Error{ErrorKind::kNotFound,
                 "this is a build with a sanitizer, which writes its findings"};
  }
  const auto version = static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION));
  if (version < 1) {
    return Error{ErrorKind::kNotFound,
                 "this kernel has no Landlock (Linux 5.13 is the first), or it is switched off"};
  }
  const RulesetAttributes attributes = refused_from(version);
  const UniqueFd ruleset(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!ruleset) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot limit writing (landlock(7)): {}", std::strerror(errno))};
  }
  for (const Writable& place : places) {
    if (auto done = allow(ruleset, place, attributes.files); !done) return done.error();
  }
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot limit writing (landlock(7)): {}", std::strerror(errno))};
  }
  return version;
}

}  // namespace grantfs
