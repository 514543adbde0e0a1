#include "base/quote.h"

#include <fmt/core.h>

#include <utility>

namespace grantfs {
namespace {

/// The text with what is no printable UTF-8 escaped, and the characters of `besides`.
std::string with_escapes(std::string_view text, std::string_view besides) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto length = printable_sequence(text);
    if (length == 0 || besides.find(text.front()) != std::string_view::npos) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(text.front()));
      text.remove_prefix(1);
    } else {
      result += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return result;
}

std::string in_quotes(std::string_view text) {
  return "'" + with_escapes(text, "\\'") + "'";
}

/// What is shown of a text that is too long.
std::pair<std::string_view, std::string_view> ends_of(std::string_view text) {
  constexpr std::size_t kAtTheEnd = 40;
  constexpr std::size_t kAtTheBeginning = 160;
  return {text.substr(0, kAtTheBeginning), text.substr(text.size() - kAtTheEnd)};
}

}  // namespace

std::size_t printable_sequence(std::string_view text) {
  const auto byte = [&](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto continues = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7F ? 1 : 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    const bool c1_control = lead == 0xC2 && byte(1) < 0xA0;
    return continues(1) && !c1_control ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool overlong = lead == 0xE0 && byte(1) < 0xA0;
    const bool surrogate = lead == 0xED && byte(1) > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool overlong = lead == 0xF0 && byte(1) < 0x90;
    const bool beyond = lead == 0xF4 && byte(1) > 0x8F;
    return continues(1) && continues(2) && continues(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

std::string escaped(std::string_view text) {
  return with_escapes(text, "\\");
}

std::string printable(std::string_view message) {
  return with_escapes(message, "");
}

std::string quoted(std::string_view text) {
  if (text.size() <= kMostShownBytes) return in_quotes(text);
  const auto [begin, end] = ends_of(text);
  return fmt::format("{}...{} ({} bytes)", in_quotes(begin), in_quotes(end), text.size());
}

std::string shortened(std::string_view message) {
  std::string result;
  std::string_view rest = message;
  while (!rest.empty()) {
    const auto word = rest.substr(0, rest.find_first_of(" \n"));
    if (word.size() <= kMostShownBytes) {
      result += word;
    } else {
      const auto [begin, end] = ends_of(word);
      result += fmt::format("{}...({} bytes)...{}", begin, word.size(), end);
    }
    rest.remove_prefix(word.size());
    if (rest.empty()) break;
    result += rest.front();
    rest.remove_prefix(1);
  }
  if (result.size() <= kMostMessageBytes) return result;
  constexpr std::size_t kAtTheEnd = 500;
  return fmt::format("{}...({} bytes)...{}", result.substr(0, kMostMessageBytes - kAtTheEnd),
                     message.size(), result.substr(result.size() - kAtTheEnd));
}

}  // namespace grantfs
