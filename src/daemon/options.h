#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "fuse/mount.h"
#include "grantfs/result.h"
#include "tree/tree.h"

namespace grantfs {

/// The times at which decisions are made. The decisions are the same either way.
enum class Enforcement {
  kLease,  ///< at lookup, and lent to the kernel
  kOpen,   ///< at every open and opendir besides
};

/// The place of the record of accesses.
struct AuditPlace {
  std::filesystem::path file;  ///< empty: the journal
  bool is_journal() const { return file.empty(); }
};

/// The options of `-o`. Paths are absolute.
struct MountOptions {
  std::optional<std::filesystem::path> database;
  std::optional<std::filesystem::path> source;  ///< the configuration of a policy source
  std::optional<std::filesystem::path> control;
  Enforcement enforcement = Enforcement::kLease;
  std::chrono::seconds lease{1};   ///< longest that anything is lent; zero: nothing is
  std::chrono::seconds follow{0};  ///< how old a copy of the policy may be; zero: it is no copy
  Use passthrough = Use::kAuto;
  Use io_uring = Use::kAuto;
  Use sandbox = Use::kAuto;  ///< see daemon/confinement.h
  Denial denial = Denial::kHide;
  std::chrono::seconds use_window{600};  ///< how long one use of a link lasts
  bool handover = false;  ///< whether this daemon takes the place of the one that serves
  std::optional<gid_t> server_group;
  std::optional<gid_t> by_user;  ///< the group that may pass by-user; none: no by-user
  std::optional<std::vector<std::string>> views;  ///< at the root, besides by-user; none: all
  bool follows_store = true;  ///< whether the store is what its path leads to, or led to at first
  std::optional<AuditPlace> audit;  ///< none: there is no record of accesses
  bool audit_required = false;      ///< whether what cannot be recorded is refused
  std::optional<LogSink> log;
  spdlog::level::level_enum log_level = spdlog::level::info;
  unsigned threads = 0;                     ///< 0: libfuse's choice
  std::vector<std::string> kernel_options;  ///< security labels, handed to the kernel as they are
};

/// Reads a comma-separated list as -o takes it; a backslash makes the next character ordinary.
/// Options that mount(8) and fstab add are accepted where they are harmless. kInvalid names an
/// unknown option and the nearest known one, or an option with a wrong value and the right values.
Result<MountOptions> parse_mount_options(std::string_view list);

/// The text of `--help` about each option.
std::string describe_mount_options();

}  // namespace grantfs
