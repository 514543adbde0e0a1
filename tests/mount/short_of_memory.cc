// Has allocations of a program fail, on threads of a name: preloaded (ld.so(8)) by test_memory.py,
// which says which, in a file of two lines' size that both have mapped.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
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
  char name[16];                     ///< of threads; "*": of all that have none of ours
  std::atomic<std::uint32_t> every;  ///< fails: the how manieth; 0: none
  std::atomic<std::uint32_t> failed;
};

std::atomic<Orders*> orders{nullptr};
std::atomic<std::uint32_t> count{0};

__attribute__((constructor)) void begin() {
  const char* path = std::getenv("SHORT_OF_MEMORY");
  const int file = path == nullptr ? -1 : ::open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  void* mapped = ::mmap(nullptr, sizeof(Orders), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (mapped != MAP_FAILED) orders = static_cast<Orders*>(mapped);
}

bool fails() {
  Orders* given = orders;
  const std::uint32_t every = given == nullptr ? 0 : given->every.load();
  if (every == 0) return false;
  char name[16] = "";
  ::prctl(PR_GET_NAME, name);
  const bool is_ours = std::strncmp(name, "grantfs ", 8) == 0;
  if (given->name[0] == '*' ? is_ours : std::strncmp(name, given->name, sizeof name) != 0) {
    return false;
  }
  if (++count % every != 0) return false;
  ++given->failed;
  errno = ENOMEM;
  return true;
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) noexcept {
  return fails() ? nullptr : __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  return fails() ? nullptr : __libc_calloc(count, size);
}
void* realloc(void* memory, std::size_t size) noexcept {
  return fails() ? nullptr : __libc_realloc(memory, size);
}
}
