#pragma once

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero() is not in <cstring>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <string_view>

namespace grantfs {

/// Bytes of which there may be millions, and most of them few: they take 16 bytes if they are up to
/// kMostInline, and others lie on the heap besides. They do not change, and are wiped when they are
/// dropped or moved from, since some are secrets; a copy is a second secret. Allocation may throw
/// std::bad_alloc, and does above 4 GB.
class ShortBytes {
 public:
  static constexpr std::size_t kMostInline = 15;

  ShortBytes() = default;
  explicit ShortBytes(std::string_view bytes) {
    if (bytes.size() <= kMostInline) {
      here_.size = static_cast<std::uint8_t>(bytes.size());
      std::ranges::copy(bytes, here_.bytes.begin());
      return;
    }
    if (bytes.size() > std::numeric_limits<std::uint32_t>::max()) throw std::bad_alloc();
    char* const copy = new char[bytes.size()];
    std::ranges::copy(bytes, copy);
    there_ = {kOnHeap, static_cast<std::uint32_t>(bytes.size()), copy};
  }
  ~ShortBytes() { clear(); }
  ShortBytes(const ShortBytes& other) : ShortBytes(other.view()) {}
  ShortBytes(ShortBytes&& other) noexcept { take(other); }
  ShortBytes& operator=(const ShortBytes& other) { return *this = ShortBytes(other); }
  ShortBytes& operator=(ShortBytes&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }

  /// Never a null pointer. Few bytes lie in the object itself, and are gone when it moves.
  std::string_view view() const {
    if (is_on_heap()) return {there_.bytes, there_.size};
    return {here_.bytes.data(), here_.size};
  }
  bool empty() const { return here_.size == 0; }
  friend bool operator==(const ShortBytes& a, const ShortBytes& b) { return a.view() == b.view(); }

 private:
  static constexpr std::uint8_t kOnHeap = kMostInline + 1;

  struct Here {
    std::uint8_t size = 0;
    std::array<char, kMostInline> bytes{};
  };
  struct There {
    std::uint8_t is_on_heap;  ///< kOnHeap, where `Here` has its size
    std::uint32_t size;
    char* bytes;
  };

  // Both begin with the same member, so that it may be read whichever there is.
  bool is_on_heap() const { return here_.size == kOnHeap; }
  void take(ShortBytes& other) noexcept {
    if (other.is_on_heap()) {
      there_ = other.there_;
    } else {
      here_ = other.here_;
      ::explicit_bzero(other.here_.bytes.data(), other.here_.size);
    }
    other.here_ = Here();
  }
  void clear() noexcept {
    if (is_on_heap()) {
      ::explicit_bzero(there_.bytes, there_.size);
      delete[] there_.bytes;
    } else {
      ::explicit_bzero(here_.bytes.data(), here_.size);
    }
    here_ = Here();
  }

  union {
    Here here_{};
    There there_;
  };
};
static_assert(sizeof(ShortBytes) == ShortBytes::kMostInline + 1);

}  // namespace grantfs
