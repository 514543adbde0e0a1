#pragma once

#include <bitset>
#include <string_view>

namespace grantctl::nginxconf {

/// A superset of the texts that a value can be. It records the properties that matter in a path:
/// the characters, and whether the whole text may be empty, "." or "..".
struct Language {
  std::bitset<256> characters;  ///< the characters that may occur
  bool may_be_empty = false;
  bool may_be_dot = false;   ///< the whole is "."
  bool may_be_dots = false;  ///< the whole is ".."
  /// The text has whole components of a path that nginx has normalised: none of them is "." or
  /// "..".
  bool whole_components = false;
  /// The text is part of a normalised path, but its first or its last component may be cut: "..x"
  /// may have become "..". A text right before or behind it in a path makes it harmless.
  bool is_cut_before = false;
  bool is_cut_behind = false;
  bool begins_with_slash = false;  ///< the text, unless it is empty, begins with a slash

  bool may_hold(char c) const { return characters.test(static_cast<unsigned char>(c)); }
  /// Whether the text may lead a path out of the folder in which it stands.
  bool may_climb() const;
  bool operator==(const Language&) const = default;
};

/// Any text without a NUL, as in a header or an argument.
Language anything();
/// The one given text.
Language exactly(std::string_view text);
/// One character of the set.
Language one_of(const std::bitset<256>& characters);
/// A text of `first`, with one of `second` behind it.
Language concatenated(const Language& first, const Language& second);
/// A text of `one` or of `other`.
Language either(const Language& one, const Language& other);
/// From `least` to `most` texts of `one`, one behind another; `most` has no limit.
Language repeated(const Language& one, unsigned least, unsigned most);
/// Texts of `language` with only the characters that `subject` may have. The other properties of
/// `subject` are ignored.
Language with_characters_of(Language language, const Language& subject);

}  // namespace grantctl::nginxconf
