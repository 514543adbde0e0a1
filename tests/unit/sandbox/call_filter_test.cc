#include "sandbox/call_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "sandbox/confined_child.h"

namespace grantfs {
namespace {

/// The exit status of a child in which the filter is in force, and which then calls `body`.
int filtered(Filtered who, const std::function<int()>& body) {
  return confined([who] { return bool{filter_system_calls(who)}; }, body);
}

struct Attempt {
  const char* name;
  std::function<long()> call;
};

/// What somebody would do who has the daemon run his code.
std::vector<Attempt> attacks() {
  static const char* const kNothing[] = {nullptr};
  return {
      {"execve",
       [] {
         return ::execve("/bin/true", const_cast<char**>(kNothing), const_cast<char**>(kNothing));
       }},
      {"execveat",
       [] { return ::syscall(SYS_execveat, AT_FDCWD, "/bin/true", kNothing, kNothing, 0); }},
      {"a process",
       [] { return ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr); }},
      {"a process by clone3",
       [] {
         std::uint64_t arguments[8] = {0, 0, 0, 0, SIGCHLD, 0, 0, 0};
         return ::syscall(SYS_clone3, arguments, sizeof arguments);
       }},
      {"a user namespace", [] { return ::unshare(CLONE_NEWUSER); }},
      {"ptrace", [] { return ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }},
      {"another process's memory",
       [] { return ::syscall(SYS_process_vm_readv, ::getppid(), nullptr, 0, nullptr, 0, 0); }},
      {"a descriptor of another process", [] { return ::syscall(SYS_pidfd_getfd, 0, 0, 0); }},
      {"a signal to another process", [] { return ::kill(::getppid(), 0); }},
      {"a signal by a pidfd",
       [] {
         const auto parent = static_cast<int>(::syscall(SYS_pidfd_open, ::getppid(), 0));
         return ::syscall(SYS_pidfd_send_signal, parent, SIGCONT, nullptr, 0);
       }},
      {"a signal to another process's thread", [] { return ::syscall(SYS_tgkill, 1, 1, 0); }},
      {"an AF_INET socket", [] { return ::socket(AF_INET, SOCK_STREAM, 0); }},
      {"an AF_INET6 socket", [] { return ::socket(AF_INET6, SOCK_DGRAM, 0); }},
      {"a packet socket", [] { return ::socket(AF_PACKET, SOCK_RAW, 0); }},
      {"a netlink socket", [] { return ::socket(AF_NETLINK, SOCK_RAW, 0); }},
      {"a vsock", [] { return ::socket(AF_VSOCK, SOCK_STREAM, 0); }},
      {"mount", [] { return ::mount("/etc", "/mnt", nullptr, MS_BIND, nullptr); }},
      {"fsopen", [] { return ::syscall(SYS_fsopen, "tmpfs", 0); }},
      {"move_mount", [] { return ::syscall(SYS_move_mount, -1, "", AT_FDCWD, "/mnt", 4); }},
      {"pivot_root", [] { return ::syscall(SYS_pivot_root, "/", "/"); }},
      {"chroot", [] { return ::chroot("/"); }},
      {"setns", [] { return ::setns(0, 0); }},
      {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"perf_event_open", [] { return ::syscall(SYS_perf_event_open, nullptr, 0, 0, 0, 0); }},
      {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
      {"init_module", [] { return ::syscall(SYS_init_module, nullptr, 0, ""); }},
      {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
      {"io_uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"setuid", [] { return ::syscall(SYS_setuid, 0); }},
      {"capset", [] { return ::syscall(SYS_capset, nullptr, nullptr); }},
      {"being dumped", [] { return ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); }},
      {"a filter of its own", [] { return ::prctl(PR_SET_SECCOMP, 2, nullptr, 0, 0); }},
      {"a higher limit",
       [] {
         const rlimit limit{1, 1};
         return ::setrlimit(RLIMIT_CORE, &limit);
       }},
      {"mknod", [] { return ::syscall(SYS_mknodat, AT_FDCWD, "/tmp/x", 0020666, 259); }},
      {"setxattr", [] { return ::syscall(SYS_setxattr, "/tmp", "user.x", "", 0, 0); }},
      {"memory that is written and run",
       [] {
         return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                    ? -1L
                    : 0L;
       }},
      {"memory that was written, to be run",
       [] {
         void* page =
             ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
         return static_cast<long>(::mprotect(page, 4096, PROT_READ | PROT_EXEC));
       }},
  };
}

/// Calls that a filter of no use would refuse too.
std::vector<Attempt> everyday_calls() {
  return {
      {"a file", [] { return ::open("/dev/null", O_RDWR | O_CLOEXEC); }},
      {"an AF_UNIX socket", [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
      {"memory",
       [] {
         return ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                        MAP_FAILED
                    ? -1L
                    : 0L;
       }},
      {"a thread",
       [] {
         std::thread([] { ::pthread_setname_np(::pthread_self(), "grantfs test"); }).join();
         return 0L;
       }},
      {"a user", [] { return ::getpwuid(0) == nullptr ? -1L : 0L; }},
      {"a limit",
       [] {
         rlimit limit{};
         return static_cast<long>(::getrlimit(RLIMIT_NOFILE, &limit));
       }},
  };
}

class CallFilterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (filtered(Filtered::kDaemon, [] { return kWorked; }) == kNotConfined) {
      GTEST_SKIP() << "no filter is to be had in this build, or on this kernel";
    }
  }
};

TEST_F(CallFilterTest, RefusesWhatAnAttackerWouldDo) {
  for (const Filtered who : {Filtered::kDaemon, Filtered::kDaemonWithRing, Filtered::kFollower}) {
    for (const Attempt& attack : attacks()) {
      const std::string name = attack.name;
      const bool follows = who == Filtered::kFollower;
      if (name == "io_uring" && who == Filtered::kDaemonWithRing) continue;
      if (follows && (name.find("AF_INET") != name.npos || name == "a netlink socket")) continue;
      const int expected = name == "a process by clone3" ? ENOSYS : EPERM;
      EXPECT_EQ(filtered(who, [&] { return outcome(attack.call()); }), expected)
          << name << " by " << static_cast<int>(who);
    }
  }
}

TEST_F(CallFilterTest, AllowsEverydayCalls) {
  for (const Filtered who : {Filtered::kDaemon, Filtered::kDaemonWithRing, Filtered::kFollower}) {
    for (const Attempt& call : everyday_calls()) {
      EXPECT_EQ(filtered(who, [&] { return outcome(call.call()); }), kWorked)
          << call.name << " by " << static_cast<int>(who);
    }
  }
}

TEST_F(CallFilterTest, IsInForceOnThreadsThatWereThereBefore) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::atomic<bool> filtered{false};
    int got = kWorked;
    std::thread before([&] {
      while (!filtered) std::this_thread::yield();
      got = outcome(::socket(AF_INET, SOCK_STREAM, 0));
    });
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!filter_system_calls(Filtered::kDaemon)) ::_exit(kNotConfined);
    filtered = true;
    before.join();
    ::_exit(got);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), EPERM);
}

TEST_F(CallFilterTest, CountsAndNamesEachCallThatItRefuses) {
  EXPECT_EQ(filtered(Filtered::kDaemon,
                     [] {
                       for (int i = 0; i < 3; ++i) (void)::socket(AF_INET, SOCK_STREAM, 0);
                       (void)::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
                       auto names = newly_refused_calls();
                       std::ranges::sort(names);
                       const bool right = names == std::vector<std::string>{"ptrace", "socket"} &&
                                          refused_calls() == 4 && newly_refused_calls().empty();
                       return right ? kWorked : 1;
                     }),
            kWorked);
}

TEST_F(CallFilterTest, OnlyTheFollowerReachesANetwork) {
  EXPECT_EQ(
      filtered(Filtered::kFollower, [] { return outcome(::socket(AF_INET, SOCK_STREAM, 0)); }),
      kWorked);
}

}  // namespace
}  // namespace grantfs
