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

/// Reads /proc/self/maps (proc(5)) line by line. It uses only system calls, as a signal handler
/// must (signal-safety(7)).
class MapsReader {
 public:
  MapsReader() : fd_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~MapsReader() {
    if (fd_ >= 0) ::close(fd_);
  }
  MapsReader(const MapsReader&) = delete;
  MapsReader& operator=(const MapsReader&) = delete;

  /// The next character, or -1 at the end. An int, as getc(3) returns.
  int get() {
    if (at_ == end_) {
      const ssize_t got = fd_ < 0 ? 0 : ::read(fd_, buffer_.data(), buffer_.size());
      if (got <= 0) return -1;
      at_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    return static_cast<unsigned char>(buffer_[at_++]);
  }

  /// Reads a hexadecimal number and the one character that ends it.
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

/// The kind of memory at an address.
enum class Mapped { kShm, kNothingNamed, kOther };

/// kShm: a file that is a database's -shm, deleted meanwhile or not. kNothingNamed: private memory
/// without a file, which a repaired page is.
Mapped mapped_at(std::uintptr_t address) {
  constexpr std::string_view kSuffix = "-shm";
  constexpr std::string_view kDeleted = " (deleted)";
  MapsReader maps;
  while (true) {
    const std::uintptr_t begin = maps.get_number();
    const std::uintptr_t end = maps.get_number();
    if (end == 0) return Mapped::kOther;
    // The last characters of the line tell whether a -shm file is mapped. Behind the addresses come
    // four fields, from the permissions to the inode number, and then the name.
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

/// Held by the one handler that runs at a time. When several threads fault on one page, the first
/// repairs the page and the others see that it is repaired. A handler may not use a mutex. Every
/// signal is blocked while a handler runs, so no second handler can interrupt the holder on its own
/// thread and wait for this flag.
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

/// The pages repaired last, at most 1024; touched only by the holder of `repairing`. A thread can
/// be late by at most one page for each other thread.
std::array<std::uintptr_t, 1024> repaired_pages{};
std::size_t repaired_count = 0;

/// Returns true if the access may be tried again: `address` lay, or still lies, in a truncated
/// -shm.
bool repair(std::uintptr_t address) {
  const Repairing one_at_a_time;
  const std::uintptr_t page = address & ~(page_bytes - 1);
  switch (mapped_at(address)) {
    case Mapped::kOther:
      return false;
    case Mapped::kNothingNamed:  // another thread repaired the page meanwhile
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
    return;  // the kernel tries the access again
  }
  // The fault is not one of a -shm file. With the old handler back, the access fails again at once,
  // and that handler has the signal.
  ::sigaction(SIGBUS, &handler_before, nullptr);
  if (info->si_code <= 0) (void)::raise(SIGBUS);  // a process sent it: no access is tried again
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
  // The program that started this one may have blocked SIGBUS, and a fault with SIGBUS blocked ends
  // the program without running the handler. Threads that start later inherit this mask.
  sigset_t bus_error;
  sigemptyset(&bus_error);
  sigaddset(&bus_error, SIGBUS);
  ::pthread_sigmask(SIG_UNBLOCK, &bus_error, nullptr);
}

std::uint64_t shm_faults() {
  return faults.load();
}

}  // namespace grantfs::db
