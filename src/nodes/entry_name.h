#pragma once

#include <sodium.h>

#include <cassert>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string_view>
#include <utility>

namespace grantfs {

/// A name of at most 255 bytes (NAME_MAX), in half the room of a std::string. It is wiped when it
/// goes: it may be a token.
class EntryName {
 public:
  EntryName() = default;
  explicit EntryName(std::string_view text)
      : text_(new char[text.size()]), size_(static_cast<std::uint8_t>(text.size())) {
    assert(text.size() <= std::numeric_limits<std::uint8_t>::max());
    std::memcpy(text_.get(), text.data(), text.size());
  }
  ~EntryName() { sodium_memzero(text_.get(), size_); }
  EntryName(EntryName&& other) noexcept
      : text_(std::move(other.text_)), size_(std::exchange(other.size_, 0)) {}
  EntryName& operator=(EntryName&& other) noexcept {
    std::swap(text_, other.text_);
    std::swap(size_, other.size_);
    return *this;
  }
  std::string_view view() const { return {text_.get(), size_}; }

 private:
  std::unique_ptr<char[]> text_;  // NOLINT(modernize-avoid-c-arrays): half of a std::string
  std::uint8_t size_ = 0;
};

}  // namespace grantfs
