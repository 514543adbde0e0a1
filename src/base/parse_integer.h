#pragma once

#include <charconv>
#include <concepts>
#include <optional>
#include <string_view>
#include <system_error>

namespace grantfs {

/// The number that all of a text is, in digits of `base`: none if there is anything else in it
/// (white space, a plus sign, a minus sign where Number has none), if it is empty, or if the number
/// does not fit.
template <std::integral Number>
std::optional<Number> parse_integer(std::string_view text, int base = 10) {
  Number number{};
  // cppcheck 2.10 takes the text for one that outlived its owner.
  // cppcheck-suppress invalidLifetime
  const char* const last = text.data() + text.size();
  // cppcheck-suppress invalidLifetime
  const auto [end, error] = std::from_chars(text.data(), last, number, base);
  if (error != std::errc() || end != last) return std::nullopt;
  return number;
}

}  // namespace grantfs
