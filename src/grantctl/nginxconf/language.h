#pragma once

#include <bitset>
#include <string_view>

namespace grantctl::nginxconf {

/// What a text may be, seen from outside: a superset of what it can be in truth. It knows what
/// matters in a path: the characters, and whether the whole may be empty, "." or "..".
struct Language {
  std::bitset<256> characters;  ///< those that may be in it
  bool may_be_empty = false;
  bool may_be_dot = false;   ///< the whole is "."
  bool may_be_dots = false;  ///< the whole is ".."
  /// Components of a path that nginx has normalised, and whole ones: none is "." or "..".
  bool whole_components = false;
  /// Such a part of a normalised path, but its first or its last component may be cut: "..x" may
  /// have become "..". What stands right before or behind it in a path makes it harmless.
  bool is_cut_before = false;
  bool is_cut_behind = false;
  bool begins_with_slash = false;  ///< unless it is empty

  bool may_hold(char c) const { return characters.test(static_cast<unsigned char>(c)); }
  /// Whether it may lead a path out of the folder that it stands in.
  bool may_climb() const;
  bool operator==(const Language&) const = default;
};

/// Any text but a NUL, as a header or an argument holds.
Language anything();
/// That text alone.
Language exactly(std::string_view text);
/// One character of a set.
Language one_of(const std::bitset<256>& characters);
/// The one behind the other.
Language concatenated(const Language& first, const Language& second);
/// The one or the other.
Language either(const Language& one, const Language& other);
/// So many of them behind one another; `most` may be as large as it likes.
Language repeated(const Language& one, unsigned least, unsigned most);
/// What is in both; of the second, what it may be as a whole is not asked.
Language with_characters_of(Language language, const Language& subject);

}  // namespace grantctl::nginxconf
