#include "base/mount_info.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

namespace grantfs {
namespace {

/// Undoes the octal escapes: of space, tab, newline and backslash.
std::string unescaped(std::string_view text) {
  constexpr std::size_t kDigits = 3;
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string plain;
  while (!text.empty()) {
    const auto digits = text.substr(1, kDigits);
    if (text.front() == '\\' && digits.size() == kDigits && std::ranges::all_of(digits, is_octal)) {
      plain +=
          static_cast<char>((digits[0] - '0') * 64 + (digits[1] - '0') * 8 + (digits[2] - '0'));
      text.remove_prefix(1 + kDigits);
    } else {
      plain += text.front();
      text.remove_prefix(1);
    }
  }
  return plain;
}

std::optional<MountInfo> parse(const std::string& line) {
  std::istringstream fields(line);
  MountInfo mount;
  std::string parent, root, point, field;
  fields >> mount.id >> parent >> mount.device >> root >> point;
  while (fields >> field && field != "-") {  // options, and so many optional fields
  }
  fields >> mount.type;
  if (!fields) return std::nullopt;
  mount.root = unescaped(root);
  mount.point = unescaped(point);
  return mount;
}

}  // namespace

std::vector<MountInfo> parse_mount_info(std::istream& lines) {
  std::vector<MountInfo> mounts;
  for (std::string line; std::getline(lines, line);) {
    if (auto mount = parse(line)) mounts.push_back(std::move(*mount));
  }
  return mounts;
}

std::vector<MountInfo> read_mount_info() {
  std::ifstream lines("/proc/self/mountinfo");
  return parse_mount_info(lines);
}

std::optional<std::uint64_t> lasting_mount_id(int folder, const char* path) {
  constexpr unsigned kUnique = 0x00004000;  // STATX_MNT_ID_UNIQUE of linux/stat.h as of Linux 6.8
  constexpr int kAskNobody =
      AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  struct statx status = {};
  if (::statx(folder, path, kAskNobody, STATX_MNT_ID | kUnique, &status) != 0) return std::nullopt;
  if ((status.stx_mask & (STATX_MNT_ID | kUnique)) == 0) {
    errno = ENOSYS;
    return std::nullopt;
  }
  return status.stx_mnt_id;
}

}  // namespace grantfs
