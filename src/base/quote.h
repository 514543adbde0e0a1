#pragma once

#include <string>
#include <string_view>

namespace grantfs {

/// For messages and logs: the text in single quotes, with control characters, quotes, backslashes
/// and bytes that are not UTF-8 escaped as \xNN, so that a hostile name cannot forge a line.
std::string quoted(std::string_view text);
/// The same: without it, argument-dependent lookup would prefer std::quoted for a std::string.
inline std::string quoted(const std::string& text) {
  return quoted(std::string_view(text));
}

/// The same escapes without the quotes, for tables.
std::string escaped(std::string_view text);

}  // namespace grantfs
