#include "daemon/confinement.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/quote.h"
#include "daemon/mount_table.h"
#include "sandbox/call_filter.h"
#include "sandbox/write_limits.h"

namespace grantfs {
namespace {

constexpr const char* kSwitchedOff = "not limited: sandbox=off";

/// A clause for people, empty if there is nothing to say: a place that may be written to holds the
/// store, and Landlock knows no exceptions below a place.
std::string exception(const MountPlan& plan, const std::vector<Writable>& places) {
  const MountTable table = MountTable::read();
  for (const Writable& place : places) {
    if (!table.lies_inside(plan.store, place.path)) continue;
    spdlog::warn(
        "the store lies in {}, where the daemon goes on writing: keep the database and "
        "the control socket in folders of their own",
        quoted(place.path.native()));
    return fmt::format(", but for the store, which lies in {}", quoted(place.path.native()));
  }
  return {};
}

}  // namespace

Result<void> Confinement::settle(const Error& error, const char* what, std::string& outcome) const {
  if (asked_ == Use::kYes) {
    return Error{ErrorKind::kSystem, fmt::format("sandbox=on: {}", error.message)};
  }
  outcome = "not limited: " + error.message;
  spdlog::warn("{} {}", what, outcome);
  return {};
}

Result<void> Confinement::limit_writes(const MountPlan& plan, const std::filesystem::path& control,
                                       const std::optional<AuditPlace>& audit) {
  if (asked_ == Use::kNo) {
    writes_ = kSwitchedOff;
    return {};
  }
  std::vector<Writable> places{
      {plan.database.parent_path(), Writable::What::kDatabase},
      {control.parent_path(), Writable::What::kSockets},
      {"/dev/null", Writable::What::kFile},
  };
  // Whoever reads a database of SQLite writes to its -shm file.
  if (plan.source) {
    const auto database = std::filesystem::weakly_canonical(plan.source->database);
    places.push_back({database.parent_path(), Writable::What::kDatabase});
  }
  if (audit && !audit->is_journal()) {
    places.push_back({audit->file.parent_path(), Writable::What::kDatabase});
  }
  auto version = grantfs::limit_writes(places);
  if (version) {
    writes_ = fmt::format("limited (Landlock {}){}", *version, exception(plan, places));
    return {};
  }
  if (version.error().kind != ErrorKind::kNotFound) return version.error();
  return settle(version.error(), "writing is", writes_);
}

Result<void> Confinement::limit_calls(bool may_use_io_uring) {
  if (asked_ == Use::kNo) {
    calls_ = kSwitchedOff;
    return {};
  }
  auto limited =
      filter_system_calls(may_use_io_uring ? Filtered::kDaemonWithRing : Filtered::kDaemon);
  if (!limited) return settle(limited.error(), "system calls are", calls_);
  calls_ = "limited";
  return {};
}

}  // namespace grantfs
