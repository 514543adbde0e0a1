#pragma once

#include <bitset>
#include <optional>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/pattern.h"

namespace grantctl::nginxconf {

using Characters = std::bitset<256>;

struct PatternNode;
using Sequence = std::vector<PatternNode>;

/// A piece of a pattern, and how often it may be repeated.
struct PatternNode {
  enum class Kind { kCharacters, kGroup, kStart, kEnd, kNothing, kUnknown };
  Kind kind = Kind::kUnknown;
  Characters characters;
  std::optional<char> literal;
  std::vector<Sequence> alternatives;
  std::optional<std::size_t> group;  ///< the number of the capturing group
  unsigned least = 1;
  unsigned most = 1;
  bool lazy = false;

  bool is_slash() const { return literal == '/' && least == 1 && most == 1; }
};

/// The alternatives of a pattern, each a sequence of nodes. The pattern's capturing groups are
/// added to `groups`. Nothing if groups are nested deeper than kDeepestGroups.
std::optional<std::vector<Sequence>> nodes_of(std::string_view pattern, std::vector<Group>& groups);

}  // namespace grantctl::nginxconf
