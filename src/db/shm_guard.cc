#include "db/shm_guard.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction() is not in <csignal>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace grantfs::db {
namespace {

std::atomic<std::uint64_t> faults{0};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
struct sigaction handler_before;  // NOLINT: written once, before there are threads
std::uintptr_t page_bytes = 4096;

/// Reads /proc/self/maps (proc(5)) line by line with nothing but system calls, as a signal handler
/// must (signal-safety(7)).
class MapsReader {
 public:
  MapsReader() : fd_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~MapsReader() {
    if (fd_ >= 0) ::close(fd_);
  }
  MapsReader(const MapsReader&) = delete;
  MapsReader& operator=(const MapsReader&) = delete;

  /// -1 at the end. An int, as getc(3)'s.
  int get() {
    if (at_ == end_) {
      const ssize_t got = fd_ < 0 ? 0 : ::read(fd_, buffer_.data(), buffer_.size());
      if (got <= 0) return -1;
      at_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    return static_cast<unsigned char>(buffer_[at_++]);
  }

  /// A hexadecimal number up to the character that ends it, which is taken too.
  std::uintptr_t get_number() {
    std::uintptr_t number = 0;
    for (int c = get(); c != -1; c = get()) {
      if (c >= '0' && c <= '9') {
        number = number * 16 + static_cast<std::uintptr_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        number = number * 16 + static_cast<std::uintptr_t>(c - 'a' + 10);
      } else {
        break;
      }
    }
    return number;
  }

 private:
  int fd_;
  std::array<char, 1024> buffer_;
  std::size_t at_ = 0;
  std::size_t end_ = 0;
};

/// What is mapped at an address.
enum class Mapped { kShm, kNothingNamed, kOther };

/// kShm: a file that is a database's -shm, deleted meanwhile or not. kNothingNamed: private memory,
/// of no file, as a repaired page is.
Mapped mapped_at(std::uintptr_t address) {
  constexpr std::string_view kSuffix = "-shm";
  constexpr std::string_view kDeleted = " (deleted)";
  MapsReader maps;
  while (true) {
    const std::uintptr_t begin = maps.get_number();
    const std::uintptr_t end = maps.get_number();
    if (end == 0) return Mapped::kOther;
    // The last characters of the line are enough to tell; the name comes last in it, after four
    // fields, of which the first are the permissions and the last is the inode number.
    std::array<char, kSuffix.size() + kDeleted.size()> last{};
    bool has_name = false;
    int fields = 0;
    for (int c = maps.get(); c != '\n'; c = maps.get()) {
      if (c == -1) return Mapped::kOther;
      if (c == ' ') {
        ++fields;
      } else {
        has_name = has_name || fields > 3;
      }
      std::memmove(last.data(), last.data() + 1, last.size() - 1);
      last.back() = static_cast<char>(c);
    }
    if (address < begin || address >= end) continue;
    if (!has_name) return Mapped::kNothingNamed;
    std::string_view name(last.data(), last.size());
    if (name.ends_with(kDeleted)) name.remove_suffix(kDeleted.size());
    return name.ends_with(kSuffix) ? Mapped::kShm : Mapped::kOther;
  }
}

/// One handler at a time, so that a page which several threads trip over is repaired once and the
/// others see that it is. A mutex may not be used in a handler; every signal waits while this one
/// runs, so the holder is never interrupted by what would want it too.
std::atomic_flag repairing;

class Repairing {
 public:
  Repairing() {
    while (repairing.test_and_set(std::memory_order_acquire)) ::sched_yield();
  }
  ~Repairing() { repairing.clear(std::memory_order_release); }
  Repairing(const Repairing&) = delete;
  Repairing& operator=(const Repairing&) = delete;
};

/// The pages repaired last; touched only while repairing. A thread can be late by no more than one
/// page for each other thread.
std::array<std::uintptr_t, 1024> repaired_pages{};
std::size_t repaired_count = 0;

/// True if the access may be tried again: `address` lay, or still lies, in a truncated -shm.
bool repair(std::uintptr_t address) {
  const Repairing one_at_a_time;
  const std::uintptr_t page = address & ~(page_bytes - 1);
  switch (mapped_at(address)) {
    case Mapped::kOther:
      return false;
    case Mapped::kNothingNamed:  // by another thread, between our access and now
      return std::ranges::find(repaired_pages, page) != repaired_pages.end();
    case Mapped::kShm:
      break;
  }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): a page is told by its number
  if (::mmap(reinterpret_cast<void*>(page), page_bytes, PROT_READ | PROT_WRITE,
             // cppcheck-suppress invalidFunctionArg; no file
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    return false;
  }
  repaired_pages[repaired_count++ % repaired_pages.size()] = page;
  faults.fetch_add(1);
  return true;
}

void on_sigbus(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  if (info->si_code == BUS_ADRERR && repair(reinterpret_cast<std::uintptr_t>(info->si_addr))) {
    errno = saved_errno;
    return;  // and the access is tried again
  }
  // Not ours: it happens again at once, to whom it belongs.
  ::sigaction(SIGBUS, &handler_before, nullptr);
  if (info->si_code <= 0) (void)::raise(SIGBUS);  // somebody sent it: no access will be tried again
  errno = saved_errno;
}

}  // namespace

void install_shm_guard() {
  struct sigaction current = {};
  ::sigaction(SIGBUS, nullptr, &current);
  if (current.sa_sigaction == on_sigbus) return;
  page_bytes = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = on_sigbus;
  action.sa_flags = SA_SIGINFO;
  sigfillset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &handler_before);
  // Whoever started us may have blocked it, and a blocked one ends the program unasked. Threads
  // that start later inherit this mask.
  sigset_t bus_error;
  sigemptyset(&bus_error);
  sigaddset(&bus_error, SIGBUS);
  ::pthread_sigmask(SIG_UNBLOCK, &bus_error, nullptr);
}

std::uint64_t shm_faults() {
  return faults.load();
}

}  // namespace grantfs::db
