#pragma once

#include <sodium.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace grantfs {

/// Appends two lowercase hexadecimal digits for each byte. A text of secrets is a Secret, which
/// this layer does not know: hence the template, here and below.
template <class Text>
void append_hex(Text& text, std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text.append(kDigits[byte >> 4U]);
    text.append(kDigits[byte & 0xFU]);
  }
}

/// The bytes that hexadecimal digits of either case stand for, two digits each; none if the text is
/// anything else.
template <class Bytes>
std::optional<Bytes> bytes_of_hex(std::string_view digits) {
  Bytes bytes;
  bytes.resize(digits.size() / 2 + 1);
  std::size_t size = 0;
  const char* end = nullptr;
  if (sodium_hex2bin(reinterpret_cast<unsigned char*>(bytes.bytes().data()), bytes.size(),
                     digits.data(), digits.size(), nullptr, &size, &end) != 0 ||
      end != digits.data() + digits.size()) {
    return std::nullopt;
  }
  bytes.resize(size);
  return bytes;
}

}  // namespace grantfs
