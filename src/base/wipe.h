#pragma once

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero() is not in <cstring>

#include <string>

namespace grantfs {

/// Overwrites a text that may have held a token, and empties it.
inline void wipe(std::string& text) {
  ::explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace grantfs
