#include "daemon/handover.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/mount_info.h"
#include "base/pidfd.h"
#include "base/quote.h"
#include "base/unique_fd.h"
#include "control/bind.h"
#include "control/client.h"
#include "grantfs/token.h"

namespace grantfs {
namespace {

Error unlike(std::string_view what, const std::filesystem::path& theirs,
             const std::filesystem::path& ours) {
  return {
      ErrorKind::kInvalid,
      fmt::format("the daemon that runs has the {} {}, not {}: a handover changes none of store, "
                  "database and control socket; name its own, or umount it and mount anew",
                  what, quoted(theirs.native()), quoted(ours.native()))};
}

Result<Predecessor> checked(const DaemonStatus& daemon, const MountPlan& plan,
                            const std::filesystem::path& control) {
  if (daemon.store != plan.store) return unlike("store", daemon.store, plan.store);
  if (daemon.database != plan.database) {
    return unlike("database", daemon.database, plan.database);
  }
  if (daemon.control != control) return unlike("control socket", daemon.control, control);
  return Predecessor{daemon.pid, daemon.mount_id};
}

/// Waits until the copy of the policy is current, for as long as it may be out of date.
Result<void> wait_until_current(const Serving& serving) {
  constexpr std::chrono::milliseconds kPause{10};
  const auto end = std::chrono::steady_clock::now() + serving.freshness.bound();
  while (serving.freshness.is_over()) {
    if (const auto type = serving.mount.ask(); !type || *type != FUSE_SUPER_MAGIC) {
      return Error{ErrorKind::kSystem, "told to end before it had taken over"};
    }
    if (std::chrono::steady_clock::now() > end) return serving.freshness.check();
    std::this_thread::sleep_for(kPause);
  }
  return {};
}

/// Binds what is bound at the predecessor. The leaders' pidfds come first, and then the list is
/// asked for again: a leader that is on it now was alive all the while, and its number nobody
/// else's.
Result<void> take_bindings(const Serving& serving) {
  const auto before = ask_bindings(serving.control);
  if (!before) return before.error();
  if (before->empty()) return {};
  if (serving.plan.source) {
    return Error{
        ErrorKind::kSystem,
        fmt::format("POSIX session {} is bound (grantctl run), and a policy source would have "
                    "to be asked by its token, which no daemon hands over: end it, or mount "
                    "anew",
                    before->front().session)};
  }
  std::map<pid_t, UniqueFd> leaders;
  for (const SessionBinding& binding : *before) {
    leaders.emplace(binding.session, pidfd_of(binding.session));
  }
  const auto now = ask_bindings(serving.control);
  if (!now) return now.error();
  for (const SessionBinding& binding : *now) {
    const auto leader = leaders.find(binding.session);
    const auto token = TokenHash::parse(binding.id);
    // A binding that is newer than the first list was asked of this daemon, too.
    if (leader == leaders.end() || !leader->second || !token) continue;
    if (auto taken = serving.tree.take_binding(binding.session, std::move(leader->second), *token);
        !taken) {
      return taken.error();
    }
  }
  return {};
}

}  // namespace

Result<Predecessor> find_predecessor(const MountPlan& plan, const std::filesystem::path& control) {
  const auto mount = lasting_mount_id(AT_FDCWD, plan.mountpoint.c_str());
  const auto serves = [&](const DaemonStatus& daemon) {
    return mount && daemon.mount_id == *mount;
  };
  const DaemonSearch search = find_daemons(plan.database);
  if (const auto found = std::ranges::find_if(search.found, serves); found != search.found.end()) {
    return checked(*found, plan, control);
  }
  if (search.silent.empty()) {  // perhaps it decides by another database
    const auto other = ask_status(control);
    if (other && serves(*other)) return checked(*other, plan, control);
  }
  return Error{
      ErrorKind::kSystem,
      fmt::format("no daemon says that the mount at {} is its own. If it is gone, leave out "
                  "handover: its mount is taken over. If it hangs, is in another mount "
                  "namespace, decides by another database or is older than handover, umount "
                  "and mount anew",
                  quoted(plan.mountpoint.native()))};
}

Result<void> prepare_handover(const Serving& serving) {
  if (auto current = wait_until_current(serving); !current) return current;
  return take_bindings(serving);
}

}  // namespace grantfs
