#pragma once

#include <string.h>  // NOLINT(modernize-deprecated-headers): explicit_bzero() is not in <cstring>

#include <algorithm>
#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace grantfs {

/// Bytes that open something: a token, a signature, a signing key's own secret, or a text with one
/// of them in it. They are wiped from memory when they are dropped, moved from, or grow.
///
/// A secret is never copied: it lies behind a pointer, whatever its length, so that a move leaves
/// no bytes behind as that of a short std::string does. Nothing prints or compares one: whoever
/// does either asks for view(), and says why that is right.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) { append(bytes); }
  ~Secret() { wipe(); }
  Secret(Secret&& other) noexcept
      : bytes_(std::move(other.bytes_)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    bytes_ = std::move(other.bytes_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, 0);
    return *this;
  }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  /// The pieces one after the other.
  static Secret joined(std::initializer_list<std::string_view> pieces) {
    Secret whole;
    std::size_t size = 0;
    for (const std::string_view piece : pieces) size += piece.size();
    whole.reserve(size);
    for (const std::string_view piece : pieces) whole.append(piece);
    return whole;
  }

  /// Never a null pointer, which many C functions do not take, be there nothing to read or not.
  std::string_view view() const {
    return size_ == 0 ? std::string_view("") : std::string_view(bytes_.get(), size_);
  }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// To be written to in place.
  std::span<char> bytes() { return {bytes_.get(), size_}; }

  /// The text must not be part of this secret. std::bad_alloc above 4 GB.
  void append(std::string_view text) {
    if (text.empty()) return;
    if (text.size() > capacity_ - size_) reserve(std::max(size_ + text.size(), 2 * size()));
    std::memcpy(bytes_.get() + size_, text.data(), text.size());
    size_ += static_cast<std::uint32_t>(text.size());
  }
  void append(char c) { append(std::string_view(&c, 1)); }
  /// Makes it longer, by zero bytes, or shorter. bytes() is no null pointer from then on.
  void resize(std::size_t size) {
    reserve(std::max<std::size_t>(size, 1));
    if (size > size_) std::memset(bytes_.get() + size_, 0, size - size_);
    if (size < size_) ::explicit_bzero(bytes_.get() + size, size_ - size);
    size_ = static_cast<std::uint32_t>(size);
  }
  void clear() {
    if (size_ > 0) resize(0);
  }

 private:
  void reserve(std::size_t size) {
    if (size <= capacity_) return;
    if (size > std::numeric_limits<std::uint32_t>::max()) throw std::bad_alloc();
    std::unique_ptr<char[]> larger(new char[size]);  // NOLINT(modernize-avoid-c-arrays): as bytes_
    if (size_ > 0) std::memcpy(larger.get(), bytes_.get(), size_);
    wipe();
    bytes_ = std::move(larger);
    capacity_ = static_cast<std::uint32_t>(size);
  }
  void wipe() {
    if (bytes_ != nullptr) ::explicit_bzero(bytes_.get(), size_);
  }

  // 16 bytes in all: there may be one for each name that the kernel knows.
  std::unique_ptr<char[]> bytes_;  // NOLINT(modernize-avoid-c-arrays): half of a std::string
  std::uint32_t size_ = 0;
  std::uint32_t capacity_ = 0;
};

/// A secret that several hold, as an identity does that is copied into each view: copies are the
/// same bytes, which are wiped when the last holder drops them. Nothing prints one, either.
class SharedSecret {
 public:
  SharedSecret() = default;
  explicit SharedSecret(Secret secret)
      : secret_(secret.empty() ? nullptr : std::make_shared<const Secret>(std::move(secret))) {}
  explicit SharedSecret(std::string_view bytes) : SharedSecret(Secret(bytes)) {}
  /// Of a string that is given up, which is wiped. Implicit, since nothing is left of it.
  template <std::same_as<std::string> Text>
  // Nothing is hidden by it, since Text is std::string and nothing else.
  // NOLINTNEXTLINE(google-explicit-constructor,bugprone-forwarding-reference-overload)
  SharedSecret(Text&& text) : SharedSecret(std::string_view(text)) {
    ::explicit_bzero(text.data(), text.size());
    text.clear();
  }

  std::string_view view() const { return secret_ ? secret_->view() : std::string_view(); }

  /// How long this takes tells how far two secrets are the same. It is for holders of secrets that
  /// are known to be the same by their hashes, never for finding out whether one is right.
  friend bool operator==(const SharedSecret& a, const SharedSecret& b) {
    return a.secret_ == b.secret_ || a.view() == b.view();
  }
  friend std::strong_ordering operator<=>(const SharedSecret& a, const SharedSecret& b) {
    return a.view() <=> b.view();
  }

 private:
  std::shared_ptr<const Secret> secret_;
};

}  // namespace grantfs
