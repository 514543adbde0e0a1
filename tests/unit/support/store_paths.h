#pragma once

#include <string_view>

#include "grantfs/store_path.h"

namespace grantfs {

/// The path that the text spells, which must be one.
inline StorePath path(std::string_view text) {
  return StorePath::parse(text).value();
}

}  // namespace grantfs
