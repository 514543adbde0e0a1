// Has one call of a program fail, the n-th of a kind: preloaded (ld.so(8)) by the cases of this
// folder, which say which in a file that both have mapped, or that one made before the other began.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* memory, std::size_t size);      // NOLINT(bugprone-reserved-identifier)
}

namespace {

struct Orders {
  char kind[16];
  std::atomic<std::uint32_t> error;   ///< an errno; kShort: fewer bytes than there are
  std::atomic<std::uint32_t> first;   ///< the number of the first call that fails; 0: none does
  std::atomic<std::uint32_t> many;    ///< so many fail, from that one on
  std::atomic<std::uint32_t> count;   ///< calls of that kind since the orders were given
  std::atomic<std::uint32_t> failed;  ///< and those that failed
};

constexpr std::uint32_t kShort = 0;

std::atomic<Orders*> orders{nullptr};
int (*real_main)(int, char**, char**) = nullptr;

void begin() {
  const char* path = std::getenv("GRANTFS_FAULT_ORDERS");
  const auto file =
      path == nullptr ? -1 : static_cast<int>(::syscall(SYS_open, path, O_RDWR | O_CLOEXEC));
  if (file < 0) return;
  const long mapped =
      ::syscall(SYS_mmap, nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::syscall(SYS_close, file);
  if (mapped != -1)
    orders = reinterpret_cast<Orders*>(mapped);  // NOLINT(performance-no-int-to-ptr)
}

/// Calls before main() are of libraries that begin, and do not count.
int main_of_orders(int count, char** words, char** environment) {
  begin();
  return real_main(count, words, environment);
}

/// Whether this call is one that fails; errno says how.
bool fails(const char* kind) {
  Orders* given = orders;
  if (given == nullptr || std::strncmp(given->kind, kind, sizeof given->kind) != 0) return false;
  const std::uint32_t number = ++given->count;
  const std::uint32_t first = given->first;
  if (first == 0 || number < first || number - first >= given->many) return false;
  ++given->failed;
  errno = static_cast<int>(given->error.load());
  return true;
}

bool is_short() {
  return orders.load()->error == kShort;
}

template <class Function>
Function* next(Function* /*of*/, const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name, cert-dcl50-cpp)
#define NEXT(name) static auto* const real = next(&(name), #name)

extern "C" {
int __libc_start_main(int (*main)(int, char**, char**), int count, char** words, void (*init)(),
                      void (*fini)(), void (*loader_fini)(), void* stack) {
  NEXT(__libc_start_main);
  real_main = main;
  return real(main_of_orders, count, words, init, fini, loader_fini, stack);
}

void* malloc(std::size_t size) noexcept {
  return fails("malloc") ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  return fails("malloc") ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) noexcept {
  return fails("malloc") ? nullptr : __libc_realloc(memory, size);
}

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long given[6];  // NOLINT(modernize-avoid-c-arrays)
  for (long& one : given) one = va_arg(list, long);
  va_end(list);
  if (number == SYS_openat2 && fails("openat2")) return -1;
  NEXT(syscall);
  return real(number, given[0], given[1], given[2], given[3], given[4], given[5]);
}

int statx(int folder, const char* path, int flags, unsigned mask, struct statx* status) noexcept {
  if (fails("statx")) return -1;
  NEXT(statx);
  return real(folder, path, flags, mask, status);
}

int name_to_handle_at(int folder, const char* path, file_handle* handle, int* mount,
                      int flags) noexcept {
  if (fails("handle")) return -1;
  NEXT(name_to_handle_at);
  return real(folder, path, handle, mount, flags);
}

int open_by_handle_at(int mount, file_handle* handle, int flags) {
  if (fails("handle")) return -1;
  NEXT(open_by_handle_at);
  return real(mount, handle, flags);
}

int open64(const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const auto mode = va_arg(list, unsigned);
  va_end(list);
  if (fails("open")) return -1;
  NEXT(open64);
  return real(path, flags, mode);
}

int openat64(int folder, const char* path, int flags, ...) {
  va_list list;
  va_start(list, flags);
  const auto mode = va_arg(list, unsigned);
  va_end(list);
  if (fails("open")) return -1;
  NEXT(openat64);
  return real(folder, path, flags, mode);
}

ssize_t pread64(int file, void* bytes, std::size_t size, off64_t offset) {
  NEXT(pread64);
  if (!fails("pread")) return real(file, bytes, size, offset);
  return is_short() ? real(file, bytes, size / 2, offset) : -1;
}

ssize_t preadv64v2(int file, const iovec* pieces, int count, off64_t offset, int flags) {
  if (fails("pread")) return is_short() ? 0 : -1;
  NEXT(preadv64v2);
  return real(file, pieces, count, offset, flags);
}

ssize_t pwrite64(int file, const void* bytes, std::size_t size, off64_t offset) {
  NEXT(pwrite64);
  if (!fails("write")) return real(file, bytes, size, offset);
  return is_short() ? real(file, bytes, size / 2, offset) : -1;
}

ssize_t write(int file, const void* bytes, std::size_t size) {
  NEXT(write);
  if (!fails("write")) return real(file, bytes, size);
  return is_short() && size > 1 ? real(file, bytes, size / 2) : -1;
}

int fsync(int file) {
  if (fails("fsync")) return -1;
  NEXT(fsync);
  return real(file);
}

int fdatasync(int file) {
  if (fails("fsync")) return -1;
  NEXT(fdatasync);
  return real(file);
}

int ftruncate64(int file, off64_t size) noexcept {
  if (fails("truncate")) return -1;
  NEXT(ftruncate64);
  return real(file, size);
}

int fcntl64(int file, int command, ...) {
  va_list list;
  va_start(list, command);
  void* given = va_arg(list, void*);
  va_end(list);
  // An unlock does not fail (fcntl(2)).
  const bool locks = command == F_SETLK && static_cast<const flock*>(given)->l_type != F_UNLCK;
  if (locks && fails("lock")) return -1;
  NEXT(fcntl64);
  return real(file, command, given);
}

void* mmap64(void* at, std::size_t size, int protection, int flags, int file,
             off64_t offset) noexcept {
  if (fails("mmap")) return MAP_FAILED;  // NOLINT(performance-no-int-to-ptr)
  NEXT(mmap64);
  return real(at, size, protection, flags, file, offset);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) noexcept {
  if (fails("clone")) return EAGAIN;
  NEXT(pthread_create);
  return real(thread, attributes, body, argument);
}

int eventfd(unsigned count, int flags) noexcept {
  if (fails("eventfd")) return -1;
  NEXT(eventfd);
  return real(count, flags);
}

int ioctl(int file, unsigned long request, ...) noexcept {
  va_list list;
  va_start(list, request);
  void* given = va_arg(list, void*);
  va_end(list);
  if (fails("ioctl")) return -1;
  NEXT(ioctl);
  return real(file, request, given);
}

/// libfuse's: what has no request's number is a notification, all else a reply.
ssize_t writev(int file, const iovec* pieces, int count) {
  fuse_out_header header{};
  if (count > 0 && pieces[0].iov_len == sizeof header) {
    std::memcpy(&header, pieces[0].iov_base, sizeof header);
    if (fails(header.unique == 0 ? "notify" : "reply")) return -1;
  }
  NEXT(writev);
  return real(file, pieces, count);
}
}
// NOLINTEND(readability-inconsistent-declaration-parameter-name, cert-dcl50-cpp)
