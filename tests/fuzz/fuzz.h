#pragma once

#include <cstdio>
#include <cstdlib>
#include <string_view>

// What every fuzzer has: a body, and a way to say that something does not hold.
namespace grantfs::fuzz {

/// A fuzzer's body: tries one input. One thread; called again and again, in one process.
void try_input(std::string_view input);

/// Ends the program, which has libFuzzer keep the input, unless the property holds.
inline void require(bool holds, const char* property) {
  if (holds) return;
  (void)std::fprintf(stderr, "this does not hold: %s\n", property);
  std::abort();
}

/// Takes the text up to the first `end` off the front; all of it if there is none.
inline std::string_view take_until(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return taken;
}

/// Takes a byte off the front; 0 if there is none.
inline unsigned char take_byte(std::string_view& rest) {
  if (rest.empty()) return 0;
  const auto byte = static_cast<unsigned char>(rest.front());
  rest.remove_prefix(1);
  return byte;
}

/// Whether a message can go to a terminal or a log: one line, without control characters.
inline bool is_one_line(std::string_view message) {
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < ' ' || byte == 0x7f) return false;
  }
  return true;
}

}  // namespace grantfs::fuzz
