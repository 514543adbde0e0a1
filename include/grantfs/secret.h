#pragma once

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero() is not in <cstring>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace grantfs {

/// Bytes that open something: wiped from memory when dropped, and never copied by accident.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    if (size_ > 0) std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  ~Secret() { wipe(); }
  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)), size_(std::exchange(other.size_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(size_, other.size_);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  void wipe() {
    if (bytes_ != nullptr) ::explicit_bzero(bytes_.get(), size_);
  }

  std::unique_ptr<char[]> bytes_;  // NOLINT(modernize-avoid-c-arrays): half of a std::string
  std::size_t size_ = 0;
};

}  // namespace grantfs
