// Makes the kernel's LOOKUP of "lookup-of-dot" one of ".", which the kernel itself sends only for a
// file handle, and only if it may: preloaded (ld.so(8)) by test_file_handles.py.
#include <dlfcn.h>
#include <linux/fuse.h>
#include <sys/types.h>

#include <cstddef>
#include <cstring>

namespace {

constexpr char kName[] = "lookup-of-dot";
constexpr char kDot[] = ".";
constexpr std::size_t kHeader = sizeof(fuse_in_header);

}  // namespace

extern "C" ssize_t read(int file, void* buffer, std::size_t size) {
  using Read = ssize_t (*)(int, void*, std::size_t);
  static const auto real = reinterpret_cast<Read>(::dlsym(RTLD_NEXT, "read"));
  const ssize_t got = real(file, buffer, size);
  if (got != static_cast<ssize_t>(kHeader + sizeof kName)) return got;
  auto* const header = static_cast<fuse_in_header*>(buffer);
  char* const name = static_cast<char*>(buffer) + kHeader;
  if (header->opcode != FUSE_LOOKUP || std::memcmp(name, kName, sizeof kName) != 0) return got;
  std::memcpy(name, kDot, sizeof kDot);
  header->len = kHeader + sizeof kDot;
  return header->len;
}
