#include "nodes/bound_processes.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace grantfs {

std::optional<pid_t> posix_session_of(const Caller& caller) {
  // To getsid(2), 0 is the daemon itself: a process that is not seen from here would count as one
  // of the daemon's session.
  if (caller.pid <= 0 || caller.uid == kNobodyAtAll) return std::nullopt;
  const pid_t posix_session = ::getsid(caller.pid);  // takes threads, too (find_task_by_vpid())
  if (posix_session <= 0) return std::nullopt;
  return posix_session;
}

BoundProcess::BoundProcess(pid_t posix_session, UniqueFd leader, SessionBearer bearer)
    : posix_session_(posix_session), leader_(std::move(leader)), bearer_(std::move(bearer)) {}

bool BoundProcess::admits(const Caller& caller) const {
  // The POSIX session is asked for first, its leader afterwards. A leader cannot leave its session,
  // and the kernel gives its number to nobody else while it lives. So if the leader lives now, the
  // session that had the number a moment ago was its own. In the other order, the leader and its
  // whole session could end in between, and the caller be in another session of that number.
  return posix_session_of(caller) == posix_session_ && lives();
}

bool BoundProcess::lives() const {
  if (ended_) return false;
  pollfd polled{leader_.get(), POLLIN, 0};
  return ::poll(&polled, 1, 0) == 0;  // readable once it has ended: pidfd_open(2)
}

bool BoundProcess::is_of_the_past() const {
  // A number is free only when neither a process nor a session has it any more (free_pid() in the
  // kernel's pid.c): as long as a process is left of the POSIX session, no new process can have it.
  const bool reaped =
      ::syscall(SYS_pidfd_send_signal, leader_.get(), 0, nullptr, 0U) != 0 && errno == ESRCH;
  return reaped && ::getsid(posix_session_) >= 0;
}

Result<void> BoundProcesses::bind(std::shared_ptr<BoundProcess> process) {
  return bind(std::move(process), Former::kEnds);
}

Result<void> BoundProcesses::bind_if_free(std::shared_ptr<BoundProcess> process) {
  return bind(std::move(process), Former::kStays);
}

Result<void> BoundProcesses::bind(std::shared_ptr<BoundProcess> process, Former former_binding) {
  const pid_t leader = process->posix_session();
  if (!process->admits({.uid = 0, .pid = leader})) {
    return Error{ErrorKind::kInvalid,
                 "whoever asks to be bound must be the leader of a session (setsid(2)), in a pid "
                 "namespace that the daemon sees"};
  }
  auto bindings = bindings_.lock();
  if (const auto former = bindings->find(leader); former != bindings->end()) {
    if (former_binding == Former::kStays && former->second->lives()) return {};
    former->second->end();
    bindings->erase(former);
  }
  if (bindings->size() >= kMost) {
    std::erase_if(*bindings, [](const auto& item) { return !item.second->lives(); });
  }
  if (bindings->size() >= kMost) {
    return Error{
        ErrorKind::kConflict,
        fmt::format("{} sessions of processes are bound, and no more can be; end one, see: "
                    "grantctl session ls",
                    kMost)};
  }
  bindings->emplace(leader, std::move(process));
  return {};
}

std::shared_ptr<const BoundProcess> BoundProcesses::of(const Caller& caller) {
  const auto posix_session = posix_session_of(caller);
  if (!posix_session) return nullptr;
  auto bindings = bindings_.lock();
  const auto found = bindings->find(*posix_session);
  if (found == bindings->end()) return nullptr;
  if (!found->second->lives() && found->second->is_of_the_past()) {
    bindings->erase(found);
    return nullptr;
  }
  return found->second;
}

std::vector<BoundProcesses::Binding> BoundProcesses::list() {
  std::vector<Binding> alive;
  auto bindings = bindings_.lock();
  for (const auto& [posix_session, process] : *bindings) {
    if (process->lives()) alive.push_back({posix_session, process->bearer().session});
  }
  return alive;
}

}  // namespace grantfs
