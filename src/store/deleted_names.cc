#include "store/deleted_names.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace grantfs {

bool is_name_of_deleted(std::string_view name) {
  constexpr std::array<std::string_view, 3> kPrefixes{".nfs", ".smb", ".fuse_hidden"};
  constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
  constexpr std::size_t kLeastDigits = 8;
  return std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
    return name.starts_with(prefix) && name.size() >= prefix.size() + kLeastDigits &&
           name.find_first_not_of(kDigits, prefix.size()) == std::string_view::npos;
  });
}

}  // namespace grantfs
