#pragma once

#include <cstddef>
#include <string_view>

#include "grantfs/result.h"

namespace grantfs {

/// Longest prefix of URIs in bytes, as the schema keeps it.
inline constexpr std::size_t kMaxUriPrefixBytes = 4096;

/// kInvalid unless the text can be the prefix of the URIs that a signing key for MD5 is for: it
/// begins with a slash, has no zero byte, and no more than kMaxUriPrefixBytes.
Result<void> check_uri_prefix(std::string_view text);

}  // namespace grantfs
