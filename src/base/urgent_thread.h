#pragma once

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace grantfs {

/// What an urgent thread asks for: the lowest real-time priority, and a nice value where that is
/// not permitted (sched(7)).
inline constexpr int kUrgentPriority = 1;
inline constexpr int kUrgentNice = -10;

/// Has the calling thread run before those that answer requests, which can keep every processor
/// busy: for short, bounded work that others wait for. SCHED_RR where that is permitted
/// (CAP_SYS_NICE or RLIMIT_RTPRIO), else a nice value, else as before. A thread that goes astray
/// leaves the others what the kernel keeps for them (sched_rt_runtime_us, 5 % by default). What it
/// starts is not urgent.
inline void make_this_thread_urgent() {
  const sched_param parameters{.sched_priority = kUrgentPriority};
  if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) == 0) return;
  (void)::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kUrgentNice);
}

}  // namespace grantfs
