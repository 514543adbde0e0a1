#include "daemon/readiness.h"

#include <linux/magic.h>
#include <spdlog/spdlog.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <utility>

#include "base/quiet_thread.h"
#include "base/quote.h"
#include "version.h"

namespace grantfs {
namespace {

/// Logs the features that the kernel and libfuse offer, and those that the daemon does without: see
/// LEASES in grantfs(7).
void log_kernel(const FuseMount& mount) {
  struct utsname system = {};
  ::uname(&system);
  spdlog::info("Linux {} {} file handles, {} file systems stacked on the mount, and {}",
               system.release, mount.refuses_handles() ? "refuses" : "cannot refuse",
               mount.refuses_stacking() ? "refuses" : "cannot refuse",
               mount.forgets_everything() ? "forgets everything at once (epochs)"
                                          : "forgets name by name (no epochs)");
}

/// Calls `take_place`, and stops the mount if that fails.
bool takes_place(FuseMount& mount, const Readiness::TakePlace& take_place) {
  try {
    auto taken = take_place();
    if (!taken) mount.stop(taken.error());
    return bool{taken};
  } catch (const std::exception&) {
    mount.stop({ErrorKind::kSystem, "out of memory"});
    return false;
  }
}

/// Blocks until the kernel and libfuse have answered one statfs(2) of the mount point.
void wait_until_answering(const Serving& serving, Background& background,
                          const Readiness::TakePlace& take_place) {
  const auto type = serving.mount.ask();
  if (!type) {
    spdlog::error("{} does not answer: {}", quoted(serving.plan.mountpoint.native()),
                  std::strerror(type.error().value));
    return;
  }
  if (*type != FUSE_SUPER_MAGIC) return;  // the mount point is already unmounted again
  if (serving.options.passthrough == Use::kYes && serving.enforcement == Enforcement::kOpen &&
      !serving.mount.uses_passthrough()) {
    serving.mount.stop({ErrorKind::kSystem,
                        "passthrough=on: this kernel has none (Linux 6.9 is the first); "
                        "passthrough=auto does without"});
    return;
  }
  if (!takes_place(serving.mount, take_place)) return;
  spdlog::info("grantfs {} serves {} at {}, decided by {} (libfuse {}, enforce={}, {})", kVersion,
               quoted(serving.plan.store.native()), quoted(serving.plan.mountpoint.native()),
               quoted(serving.plan.database.native()), libfuse_version(),
               serving.enforcement_name(), serving.transport_name());
  log_kernel(serving.mount);
  background.ready();
}

/// Runs wait_until_answering() on a thread of its own.
void tell_when_answering(const Serving& serving, Background& background,
                         const Readiness::TakePlace& take_place) {
  try {
    wait_until_answering(serving, background, take_place);
  } catch (const std::exception&) {
    background.ready();  // out of memory for a line in the log
  }
}

}  // namespace

Readiness::Readiness(const Serving& serving, Background& background, TakePlace take_place)
    : thread_(start_quiet_thread("grantfs start", [&, take_place = std::move(take_place)] {
        tell_when_answering(serving, background, take_place);
      })) {}

Readiness::~Readiness() {
  thread_.join();
}

}  // namespace grantfs
