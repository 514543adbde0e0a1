#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace grantfs {

/// How much of a text is shown in a message, in bytes: of a longer one its beginning, its end, and
/// how long it is.
inline constexpr std::size_t kMostShownBytes = 1000;

/// For messages and logs: the text in single quotes, with control characters, quotes, backslashes
/// and bytes that are not UTF-8 escaped as \xNN, so that a hostile name cannot forge a line. No
/// more of it than kMostShownBytes.
std::string quoted(std::string_view text);
/// The same: without it, argument-dependent lookup would prefer std::quoted for a std::string.
inline std::string quoted(const std::string& text) {
  return quoted(std::string_view(text));
}

/// How long a message may be, in bytes, but for what says that it was cut.
inline constexpr std::size_t kMostMessageBytes = 4000;

/// A whole message, for who did not quote what was typed: every word in it that is longer than
/// kMostShownBytes is shortened likewise, and the message in its middle if it is still too long.
std::string shortened(std::string_view message);

/// Length of the printable character in UTF-8 at the front (Unicode 15, table 3-7), 0 if there is
/// none: of overlong forms, surrogates, and control characters, which terminals obey.
std::size_t printable_sequence(std::string_view text);

/// One value without quotes around it, all of it, as in a table or in front of a colon: as in
/// quoted(), but an apostrophe, which ends nothing there, stays what it is.
std::string escaped(std::string_view text);

/// A whole message, with values in it that are quoted or escaped already: control characters and
/// bytes that are not UTF-8 are escaped, and nothing else, so that it stays one line and reads as
/// it was written.
std::string printable(std::string_view message);

}  // namespace grantfs
