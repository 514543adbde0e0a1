#include "grantctl/nginxconf/language.h"

#include <algorithm>

namespace grantctl::nginxconf {

bool Language::may_climb() const {
  if (may_be_dots) return true;
  return may_hold('/') && may_hold('.') && !whole_components;
}

Language anything() {
  Language language;
  language.characters.set();
  language.characters.reset(0);
  language.may_be_empty = language.may_be_dot = language.may_be_dots = true;
  return language;
}

Language exactly(std::string_view text) {
  Language language;
  for (const char c : text) language.characters.set(static_cast<unsigned char>(c));
  language.may_be_empty = text.empty();
  language.may_be_dot = text == ".";
  language.may_be_dots = text == "..";
  language.begins_with_slash = text.starts_with('/');
  return language;
}

Language one_of(const std::bitset<256>& characters) {
  Language language;
  language.characters = characters;
  language.may_be_dot = characters.test('.');
  language.begins_with_slash = characters.count() == 1 && characters.test('/');
  return language;
}

Language concatenated(const Language& first, const Language& second) {
  Language both;
  both.characters = first.characters | second.characters;
  both.may_be_empty = first.may_be_empty && second.may_be_empty;
  both.may_be_dot =
      (first.may_be_dot && second.may_be_empty) || (first.may_be_empty && second.may_be_dot);
  both.may_be_dots = (first.may_be_dots && second.may_be_empty) ||
                     (first.may_be_dot && second.may_be_dot) ||
                     (first.may_be_empty && second.may_be_dots);
  both.begins_with_slash =
      first.begins_with_slash && (!first.may_be_empty || second.begins_with_slash);
  return both;
}

Language either(const Language& one, const Language& other) {
  Language both;
  both.characters = one.characters | other.characters;
  both.may_be_empty = one.may_be_empty || other.may_be_empty;
  both.may_be_dot = one.may_be_dot || other.may_be_dot;
  both.may_be_dots = one.may_be_dots || other.may_be_dots;
  both.whole_components =
      (one.whole_components || !one.may_climb()) && (other.whole_components || !other.may_climb());
  both.begins_with_slash = (one.begins_with_slash || one.characters.none()) &&
                           (other.begins_with_slash || other.characters.none());
  return both;
}

Language repeated(const Language& one, unsigned least, unsigned most) {
  // Repetitions after the third add nothing: the longest text that is asked about is two dots.
  constexpr unsigned kEnough = 3;
  if (most == 0) return exactly("");
  Language all = exactly("");
  for (unsigned i = 0; i < std::min(least, kEnough); ++i) all = concatenated(all, one);
  Language more = all;
  for (unsigned i = std::min(least, kEnough); i < std::min(most, kEnough); ++i) {
    more = concatenated(more, one);
    all = either(all, more);
  }
  all.characters |= one.characters;
  all.whole_components = false;
  return all;
}

Language with_characters_of(Language language, const Language& subject) {
  language.characters &= subject.characters;
  if (!language.may_hold('.')) language.may_be_dot = language.may_be_dots = false;
  return language;
}

}  // namespace grantctl::nginxconf
