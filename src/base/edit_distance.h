#pragma once

#include <cstddef>
#include <string_view>

namespace grantfs {

/// The number of insertions, deletions, substitutions and exchanges of two neighbours that lead
/// from one word to the other, none of them at a place that another has changed (the distance of
/// optimal string alignment).
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace grantfs
