#include "sandbox/call_filter.h"

#include <fmt/core.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction is POSIX
#include <spdlog/spdlog.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>

#include "sandbox/allowed_calls.h"
#include "sandbox/sanitized.h"

namespace grantfs {
namespace {

/// Refused calls by their numbers: how often, and whether that was told.
struct Refusals {
  static constexpr std::size_t kMostNumbers = 1024;
  struct Call {
    std::atomic<std::uint32_t> count{0};
    std::atomic<bool> told{false};
  };
  std::array<Call, kMostNumbers> calls;
  std::atomic<std::uint64_t> all{0};
};

Refusals& refusals() {
  static Refusals of_this_process;
  return of_this_process;
}

#if defined(__x86_64__) || defined(__aarch64__)
constexpr std::uint32_t kRefuse = SCMP_ACT_TRAP;

void set_result(ucontext_t& context, long result) {
#if defined(__x86_64__)
  context.uc_mcontext.gregs[REG_RAX] = result;
#else
  context.uc_mcontext.regs[0] = static_cast<unsigned long long>(result);
#endif
}

/// Stands in for the refused call: counts it, and has it fail with EPERM.
void on_refused_call(int /*signal*/, siginfo_t* info, void* context) {
  const auto number = static_cast<std::size_t>(info->si_syscall);
  if (number < Refusals::kMostNumbers) ++refusals().calls[number].count;
  ++refusals().all;
  set_result(*static_cast<ucontext_t*>(context), -EPERM);
}

Result<void> handle_refused_calls() {
  refusals();  // made now: a handler must not make it
  struct sigaction action = {};
  action.sa_sigaction = on_refused_call;
  action.sa_flags = SA_SIGINFO | SA_RESTART | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) == 0) return {};
  return Error{ErrorKind::kSystem, std::strerror(errno)};
}
#else
// The kernel refuses by itself, and says so in its own log (audit); nothing is counted.
constexpr std::uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

Result<void> handle_refused_calls() {
  return {};
}
#endif

void each_of(std::string_view list, const std::function<void(const std::string&)>& act) {
  while (!list.empty()) {
    const auto length = list.find(' ');
    act(std::string(list.substr(0, length)));
    list.remove_prefix(length == std::string_view::npos ? list.size() : length + 1);
  }
}

/// A filter that is being made. The first failure is kept, and the rest is left undone.
class Filter {
 public:
  Filter() : context_(::seccomp_init(kRefuse), ::seccomp_release) {
    if (context_ == nullptr) failed_ = ENOMEM;
    set(SCMP_FLTATR_CTL_TSYNC, 1);
    set(SCMP_FLTATR_CTL_LOG, 1);
    set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a tree: what a call costs does not follow the list
  }

  /// Allows all calls of a list.
  void allow_all(std::string_view list) {
    each_of(list, [&](const std::string& name) { allow(name); });
  }

  /// Has all calls of a list fail with ENOSYS.
  void make_absent(std::string_view list) {
    each_of(list, [&](const std::string& name) { add(SCMP_ACT_ERRNO(ENOSYS), name, {}); });
  }

  /// Allows a call if all `conditions` hold. A name that this machine does not have is passed over.
  void allow(const std::string& name, const std::vector<scmp_arg_cmp>& conditions = {}) {
    add(SCMP_ACT_ALLOW, name, conditions);
  }

  Result<void> load() {
    if (failed_ == 0) failed_ = -::seccomp_load(context_.get());
    if (failed_ == 0) return {};
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot limit system calls (seccomp(2)): {}", std::strerror(failed_))};
  }

 private:
  void set(scmp_filter_attr attribute, std::uint32_t value) {
    if (failed_ == 0) failed_ = -::seccomp_attr_set(context_.get(), attribute, value);
  }

  void add(std::uint32_t action, const std::string& name,
           const std::vector<scmp_arg_cmp>& conditions) {
    const int number = ::seccomp_syscall_resolve_name(name.c_str());
    if (failed_ != 0 || number == __NR_SCMP_ERROR) return;
    failed_ =
        -::seccomp_rule_add_array(context_.get(), action, number,
                                  static_cast<unsigned>(conditions.size()), conditions.data());
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int failed_ = 0;
};

scmp_arg_cmp equal(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_EQ, value, 0};
}

scmp_arg_cmp masked(unsigned argument, scmp_datum_t mask, scmp_datum_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/// Threads, and no process or namespace.
void allow_threads(Filter& filter) {
  constexpr scmp_datum_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                       CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
#if defined(__s390__)
  constexpr unsigned kFlags = 1;
#else
  constexpr unsigned kFlags = 0;
#endif
  filter.allow("clone", {masked(kFlags, kNamespaces | CLONE_THREAD, CLONE_THREAD)});
  filter.allow("tgkill", {equal(0, static_cast<scmp_datum_t>(::getpid()))});
  filter.allow("pidfd_send_signal", {equal(1, 0)});  // whether a process is there, and no signal
  filter.allow("sched_setscheduler", {equal(0, 0)});
  filter.allow("setpriority", {equal(0, PRIO_PROCESS)});
  filter.allow("prctl", {equal(0, PR_SET_NAME)});
  filter.allow("prctl", {equal(0, PR_GET_NAME)});
  constexpr scmp_datum_t kNameMemory = 0x53564d41;  // PR_SET_VMA; the C library names its arenas
  filter.allow("prctl", {equal(0, kNameMemory)});
  // To be read, and not set.
  filter.allow("prlimit64", {equal(0, 0), equal(2, 0)});
  filter.allow("getrlimit");
}

/// Memory that is never written and run both. Programs are mapped from files: the C library loads
/// what nsswitch.conf(5) names when it is first asked for a user.
void allow_memory(Filter& filter) {
  constexpr scmp_datum_t kBoth = PROT_WRITE | PROT_EXEC;
  for (const scmp_datum_t rights : {0, PROT_WRITE, PROT_EXEC}) {
    filter.allow("mmap", {masked(2, kBoth, rights)});
    filter.allow("mmap2", {masked(2, kBoth, rights)});
  }
  filter.allow("mprotect", {masked(2, PROT_EXEC, 0)});
}

/// The few things that are asked of devices and pipes. The kernel looks at 32 bits of the number.
void allow_requests(Filter& filter) {
  constexpr scmp_datum_t kNumber = 0xffffffff;
  // Passthrough, as in linux/fuse.h of Linux 6.9; Debian 12's is older.
  using BackingMap = std::array<std::uint64_t, 2>;
  constexpr scmp_datum_t kBackingOpen = _IOW(229, 1, BackingMap);
  constexpr scmp_datum_t kBackingClose = _IOW(229, 2, std::uint32_t);
  for (const scmp_datum_t number : {kBackingOpen, kBackingClose, scmp_datum_t{FIONREAD},
                                    scmp_datum_t{FIONBIO}, scmp_datum_t{TCGETS}}) {
    filter.allow("ioctl", {masked(1, kNumber, number)});
  }
}

void allow_sockets(Filter& filter, Filtered who) {
  filter.allow("socket", {equal(0, AF_UNIX)});
  filter.allow("socketpair", {equal(0, AF_UNIX)});
  if (who != Filtered::kFollower) return;
  // AF_NETLINK: the resolver asks which addresses this machine has.
  for (const int family : {AF_INET, AF_INET6, AF_NETLINK}) {
    filter.allow("socket", {equal(0, static_cast<scmp_datum_t>(family))});
  }
}

/// Nobody would hear of a call that it refuses: there is no log in that process.
Result<void> load_for_mount_helper() {
  Filter filter;
  filter.allow_all(allowed::kMountHelper);
  if (auto handled = handle_refused_calls(); !handled) return handled;
  return filter.load();
}

}  // namespace

Result<void> filter_system_calls(Filtered who) {
  if (kSanitized) {
    return Error{ErrorKind::kSystem,
                 "this is a build with a sanitizer, which makes calls of its own"};
  }
  if (who == Filtered::kMountHelper) return load_for_mount_helper();
  Filter filter;
  filter.allow_all(allowed::kItself);
  filter.allow_all(allowed::kDescriptors);
  filter.allow_all(allowed::kNames);
  filter.make_absent(allowed::kAbsent);
  allow_threads(filter);
  allow_memory(filter);
  allow_requests(filter);
  allow_sockets(filter, who);
  if (who == Filtered::kFollower) {
    filter.allow_all(allowed::kNetwork);
  } else {
    filter.allow_all(allowed::kDaemon);
    filter.allow_all(allowed::kUnattachedMounts);
  }
  if (who == Filtered::kDaemonWithRing) filter.allow_all(allowed::kRing);
  if (auto handled = handle_refused_calls(); !handled) return handled;
  return filter.load();
}

std::uint64_t refused_calls() {
  return refusals().all;
}

std::vector<std::string> newly_refused_calls() {
  std::vector<std::string> names;
  auto& calls = refusals().calls;
  for (std::size_t number = 0; number < calls.size(); ++number) {
    if (calls[number].count == 0 || calls[number].told.exchange(true)) continue;
    const std::unique_ptr<char, void (*)(void*)> name(
        ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number)), std::free);
    names.push_back(name != nullptr ? std::string(name.get()) : fmt::format("number {}", number));
  }
  return names;
}

void log_refused_calls() {
  for (const std::string& name : newly_refused_calls()) {
    spdlog::warn(
        "the system call {} was refused: it is not one that this program makes (sandbox=off would "
        "allow it)",
        name);
  }
}

}  // namespace grantfs
