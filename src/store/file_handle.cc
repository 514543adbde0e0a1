#include "store/file_handle.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace grantfs {
namespace {

/// A buffer that is big enough for any handle (MAX_HANDLE_SZ), with the handle's header.
struct HandleBuffer {
  alignas(file_handle) std::array<unsigned char, sizeof(file_handle) + MAX_HANDLE_SZ> bytes{};
  file_handle* get() { return reinterpret_cast<file_handle*>(bytes.data()); }
};

/// The bytes in front of the file system's own part of a handle. With this header, the handles of
/// ext4 and XFS have 11 and 15 bytes, which allocate nothing (ShortBytes).
struct HandleHeader {
  std::uint8_t type;
  std::uint8_t generation_high;
  std::uint8_t generation_low;
};
constexpr std::size_t kHandleHeader = sizeof(HandleHeader);

HandleHeader header_of(int type, std::uint16_t generation) {
  return {static_cast<std::uint8_t>(type), static_cast<std::uint8_t>(generation >> 8U),
          static_cast<std::uint8_t>(generation & 0xffU)};
}

}  // namespace

FileHandle handle_of(int fd, std::uint16_t generation) {
  HandleBuffer buffer;
  buffer.get()->handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(fd, "", buffer.get(), &mount_id, AT_EMPTY_PATH) != 0) return {};
  // Every handle type fits into a byte (enum fid_type in linux/exportfs.h).
  constexpr int kLargestType = 0xff;
  const int type = buffer.get()->handle_type;
  if (type < 0 || type > kLargestType) return {};
  std::array<char, kHandleHeader + MAX_HANDLE_SZ> bytes{};
  const std::size_t size = std::min<std::size_t>(buffer.get()->handle_bytes, MAX_HANDLE_SZ);
  const HandleHeader header = header_of(type, generation);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + kHandleHeader, buffer.get()->f_handle, size);
  return FileHandle({bytes.data(), kHandleHeader + size});
}

Result<UniqueFd, Errno> open_by_handle(const UniqueFd& mount, const FileHandle& handle,
                                       std::uint16_t generation, int flags) {
  const std::string_view bytes = handle.view();
  if (bytes.size() <= kHandleHeader || bytes.size() > kHandleHeader + MAX_HANDLE_SZ) {
    return Errno{ESTALE};
  }
  HandleHeader header{};
  std::memcpy(&header, bytes.data(), sizeof header);
  // On another file system the same handle could mean another file.
  const HandleHeader current = header_of(header.type, generation);
  if (std::memcmp(&header, &current, sizeof header) != 0) return Errno{ESTALE};
  HandleBuffer buffer;
  const std::size_t size = bytes.size() - kHandleHeader;
  buffer.get()->handle_bytes = static_cast<unsigned>(size);
  buffer.get()->handle_type = header.type;
  std::memcpy(buffer.get()->f_handle, bytes.data() + kHandleHeader, size);
  const int common = flags | O_RDONLY | O_CLOEXEC | O_NOCTTY;
  UniqueFd fd(::open_by_handle_at(mount.get(), buffer.get(), common));
  if (!fd) return Errno{errno};
  return fd;
}

}  // namespace grantfs
