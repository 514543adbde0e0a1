#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace grantfs::postgres {

/// Reads numbers in network order and texts out of bytes, each behind the one before. Whoever reads
/// past the end gets zeros and empty texts, and has failed() say so.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : left_(bytes) {}

  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t number16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t number32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t number64() { return number(8); }

  std::string_view bytes(std::size_t size) {
    if (size > left_.size()) return fail();
    const std::string_view taken = left_.substr(0, size);
    left_.remove_prefix(size);
    return taken;
  }
  /// A text that ends with a zero byte, which is no part of what is returned.
  std::string_view text() {
    const auto end = left_.find('\0');
    if (end == std::string_view::npos) return fail();
    const std::string_view taken = bytes(end);
    left_.remove_prefix(1);
    return taken;
  }

  std::size_t size() const { return left_.size(); }
  bool failed() const { return failed_; }
  /// Whether everything was read, and nothing past the end.
  bool is_done() const { return !failed_ && left_.empty(); }
  std::string_view fail() {
    failed_ = true;
    left_ = {};
    return {};
  }

 private:
  std::uint64_t number(std::size_t size) {
    constexpr unsigned kBitsOfAByte = 8;
    std::uint64_t value = 0;
    for (const char each : bytes(size)) {
      value = value << kBitsOfAByte | static_cast<std::uint8_t>(each);
    }
    return value;
  }

  std::string_view left_;
  bool failed_ = false;
};

}  // namespace grantfs::postgres
