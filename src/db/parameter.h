#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace grantfs::db {

/// Bytes that are no text.
struct Blob {
  std::string_view bytes;
};

/// A value for a parameter of a statement; std::monostate is NULL. Texts and bytes are views.
using Parameter = std::variant<std::monostate, std::int64_t, std::string_view, Blob>;

}  // namespace grantfs::db
