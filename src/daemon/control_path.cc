#include "daemon/control_path.h"

#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "control/protocol.h"

namespace grantfs {

std::filesystem::path default_control_path(const std::filesystem::path& mountpoint) {
  // A socket's path has 107 bytes at most (unix(7)). So a mount point's name with more than 64
  // bytes is replaced by a hash.
  constexpr std::size_t kLongestName = 64;
  std::string name;
  for (const char c : mountpoint.native().substr(1)) name += c == '/' ? '-' : c;
  const std::size_t hash = std::hash<std::string>()(mountpoint.native());
  if (name.size() > kLongestName) name.resize(kLongestName);
  return std::filesystem::path(control::kDefaultDirectory) /
         fmt::format("{}.{:08x}.sock", name, static_cast<std::uint32_t>(hash));
}

}  // namespace grantfs
