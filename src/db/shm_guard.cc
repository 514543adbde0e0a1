#include "db/shm_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

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

/// Whether the file mapped at `address` is a database's -shm, deleted meanwhile or not.
bool is_shm(std::uintptr_t address) {
  constexpr std::string_view kSuffix = "-shm";
  constexpr std::string_view kDeleted = " (deleted)";
  MapsReader maps;
  while (true) {
    const std::uintptr_t begin = maps.get_number();
    const std::uintptr_t end = maps.get_number();
    if (end == 0) return false;
    // The last characters of the line are enough to tell; the name comes last in it.
    std::array<char, kSuffix.size() + kDeleted.size()> last{};
    for (int c = maps.get(); c != '\n'; c = maps.get()) {
      if (c == -1) return false;
      std::memmove(last.data(), last.data() + 1, last.size() - 1);
      last.back() = static_cast<char>(c);
    }
    if (address < begin || address >= end) continue;
    std::string_view name(last.data(), last.size());
    if (name.ends_with(kDeleted)) name.remove_suffix(kDeleted.size());
    return name.ends_with(kSuffix);
  }
}

void on_sigbus(int /*signal*/, siginfo_t* info, void* /*context*/) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (info->si_code == BUS_ADRERR && is_shm(address)) {
    void* page = reinterpret_cast<void*>(address & ~(page_bytes - 1));
    if (::mmap(page, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
               -1, 0) != MAP_FAILED) {
      faults.fetch_add(1);
      errno = saved_errno;
      return;  // and the access is tried again
    }
  }
  // Not ours: it happens again at once, to whom it belongs.
  ::sigaction(SIGBUS, &handler_before, nullptr);
  if (info->si_code <= 0) ::raise(SIGBUS);  // somebody sent it: no access will be tried again
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
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, &handler_before);
}

std::uint64_t shm_faults() {
  return faults.load();
}

}  // namespace grantfs::db
