#include "grantfs/uri_prefix.h"

#include <fmt/format.h>

#include "base/quote.h"

namespace grantfs {

Result<void> check_uri_prefix(std::string_view text) {
  if (text.starts_with('/') && text.size() <= kMaxUriPrefixBytes &&
      text.find('\0') == std::string_view::npos) {
    return {};
  }
  return Error{ErrorKind::kInvalid,
               fmt::format("{} cannot be the prefix of the site's URIs: begin it with a slash, and "
                           "write {} bytes at most, none of them zero",
                           quoted(text), kMaxUriPrefixBytes)};
}

}  // namespace grantfs
