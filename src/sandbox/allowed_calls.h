#pragma once

#include <string_view>

/// Lists of system calls, by their names with spaces between. Their arguments do not matter, or
/// cannot be looked at, as those of openat2(2), which are behind a pointer: capabilities limit what
/// such a call reaches. Calls that are looked at are in call_filter.cc. A name that a machine does
/// not have is passed over: each architecture has some of these, such as dup2 or dup3.
namespace grantfs::allowed {

/// Memory, threads, time, signals of this process.
inline constexpr std::string_view kItself =
    "brk munmap mremap madvise futex exit exit_group set_robust_list rseq sched_yield "
    "gettid getpid getuid geteuid getgid getegid uname sysinfo getrusage getcpu getrandom "
    "clock_gettime clock_getres gettimeofday time nanosleep clock_nanosleep membarrier "
    "rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait sigaltstack restart_syscall "
    "sched_getaffinity sched_getparam sched_getscheduler umask getcwd chdir";

/// Open files and sockets, whatever they are of.
inline constexpr std::string_view kDescriptors =
    "read write readv writev pread64 pwrite64 preadv pwritev preadv2 lseek close fcntl fcntl64 "
    "dup dup2 dup3 poll ppoll ppoll_time64 select pselect6 eventfd2 pipe2 flock fsync fdatasync "
    "ftruncate fallocate fadvise64 fstat fstatfs getdents64 fchmod fchown memfd_create "
    "inotify_init1 inotify_add_watch inotify_rm_watch timerfd_create timerfd_settime "
    "bind listen connect accept4 getsockname getpeername getsockopt setsockopt shutdown "
    "sendto sendmsg recvfrom recvmsg";

/// Names.
inline constexpr std::string_view kNames =
    "open openat openat2 stat lstat newfstatat statx statfs access faccessat faccessat2 "
    "readlink readlinkat mkdir mkdirat unlink unlinkat rmdir rename renameat renameat2 "
    "link linkat symlink symlinkat chmod fchmodat fchmodat2 chown lchown fchownat";

/// grantfs: the store's file handles, the processes of views by-process, the end of the mount
/// helper.
inline constexpr std::string_view kDaemon =
    "name_to_handle_at open_by_handle_at getsid pidfd_open wait4";

/// grantfs: a store that is another one by now is opened through a mount of its own, where there is
/// passthrough. Neither call changes what is mounted anywhere.
inline constexpr std::string_view kUnattachedMounts = "open_tree mount_setattr";

/// grantfs over io_uring: libfuse makes a ring for each processor, in memory near it. No filter
/// looks at what is submitted to a ring.
inline constexpr std::string_view kRing =
    "io_uring_setup io_uring_enter io_uring_register sched_setaffinity mbind get_mempolicy "
    "set_mempolicy";

/// grantfs-follow: libpq, and the C library's resolver.
inline constexpr std::string_view kNetwork = "sendmmsg recvmmsg epoll_create1 epoll_ctl epoll_wait";

/// The mount helper needs nothing else: it is one thread, and asks for no memory.
inline constexpr std::string_view kMountHelper =
    "recvmsg sendmsg move_mount umount2 statx statfs fstatfs close exit_group rt_sigreturn "
    "restart_syscall";

/// These fail with ENOSYS, and are not counted. The arguments of clone3(2) are behind a pointer:
/// the C library then calls clone(2).
inline constexpr std::string_view kAbsent = "clone3";

}  // namespace grantfs::allowed
