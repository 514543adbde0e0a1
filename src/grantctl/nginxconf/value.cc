#include "grantctl/nginxconf/value.h"

#include <algorithm>
#include <cctype>

namespace grantctl::nginxconf {

namespace {

constexpr std::size_t kMostAlternatives = 24;
constexpr std::size_t kMostPieces = 24;
constexpr std::size_t kMostSources = 12;
constexpr std::size_t kLongestLiteral = 4096;

void add_sources(Sources& into, const Sources& more) {
  into.insert(more.begin(), more.end());
  if (into.size() > kMostSources) {
    // For messages one name of each origin is enough; for decisions kUnknown is.
    Sources few{{Origin::kUnknown, "?"}};
    for (const Source& source : into) {
      if (std::ranges::none_of(few, [&](const Source& kept) { return kept.first == source.first; }))
        few.insert(source);
    }
    into = std::move(few);
  }
}

/// Whether the constant adds no "." and ".." to a path.
bool keeps_components(std::string_view text) {
  while (true) {
    const auto slash = text.find('/');
    const auto name = text.substr(0, slash);
    if (name == "." || name == "..") return false;
    if (slash == text.npos) return true;
    text.remove_prefix(slash + 1);
  }
}

bool are_chosen_alike(const Piece& one, const Piece& other) {
  return one.chosen_by == other.chosen_by && one.is_secret == other.is_secret &&
         one.is_default == other.is_default;
}

void append(std::vector<Piece>& pieces, const Piece& piece) {
  if (piece.is_literal && piece.literal.empty() && piece.chosen_by.empty()) return;
  if (piece.is_literal && !pieces.empty() && pieces.back().is_literal &&
      are_chosen_alike(pieces.back(), piece) && !piece.literal.empty() &&
      pieces.back().literal.size() + piece.literal.size() <= kLongestLiteral) {
    pieces.back().literal += piece.literal;
    pieces.back().language = exactly(pieces.back().literal);
    return;
  }
  pieces.push_back(piece);
}

void merge(Alternative& into, const Alternative& other) {
  Piece one = into.as_one();
  const Piece two = other.as_one();
  one.language = either(one.language, two.language);
  add_sources(one.from, two.from);
  add_sources(one.chosen_by, two.chosen_by);
  if (one.name.empty()) one.name = two.name;
  one.is_secret = one.is_secret && two.is_secret;
  one.is_default = one.is_default && two.is_default;
  into.text = {std::move(one)};
}

void add(Value& into, const Alternative& alternative) {
  if (std::ranges::find(into, alternative) != into.end()) return;
  if (into.size() < kMostAlternatives) {
    into.push_back(alternative);
    return;
  }
  const Piece added = alternative.as_one();
  const auto alike = std::find_if(into.rbegin(), into.rend(), [&](const Alternative& known) {
    return are_chosen_alike(known.as_one(), added);
  });
  merge(alike == into.rend() ? into.back() : *alike, alternative);
}

Value as_one_alternative(const Value& value) {
  Value one = {value.front()};
  for (std::size_t i = 1; i < value.size(); ++i) merge(one.front(), value[i]);
  return one;
}

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

}  // namespace

Piece Piece::constant(std::string_view text) {
  Piece piece;
  piece.literal = text;
  piece.language = exactly(text);
  return piece;
}

std::optional<std::string> Alternative::constant() const {
  std::string whole;
  for (const Piece& piece : text) {
    if (!piece.is_literal) return std::nullopt;
    whole += piece.literal;
  }
  return whole;
}

Language Alternative::language() const {
  if (text.size() == 1) return text[0].language;
  Language whole = exactly("");
  bool is_whole = true;
  bool after_slash = true;
  for (const Piece& piece : text) {
    const Language& language = piece.language;
    const bool begins = after_slash || language.begins_with_slash;
    is_whole = is_whole && (!language.whole_components || begins) &&
               (piece.is_literal
                    ? keeps_components(piece.literal)
                    : !language.may_climb() ||
                          (language.is_cut_before && !after_slash && !language.is_cut_behind));
    after_slash = piece.is_literal && piece.literal.ends_with('/');
    whole = concatenated(whole, language);
  }
  whole.whole_components = is_whole;
  return whole;
}

Piece Alternative::as_one() const {
  if (text.size() == 1 && !text[0].is_literal) return text[0];
  Piece one;
  one.is_literal = false;
  one.language = language();
  bool is_open = false;  // a visitor without a secret chose the value
  for (const Piece& piece : text) {
    add_sources(one.from, piece.from);
    add_sources(one.chosen_by, piece.chosen_by);
    if (one.name.empty()) one.name = piece.name;
    one.is_default = one.is_default || piece.is_default;
    one.is_secret = one.is_secret || piece.is_secret;
    is_open = is_open || (!piece.chosen_by.empty() && !piece.is_secret);
  }
  one.is_secret = one.is_secret && !is_open;
  return one;
}

Value constant(std::string_view text) {
  Alternative alternative;
  append(alternative.text, Piece::constant(text));
  return {alternative};
}

Value unknown(std::string name) {
  Sources from{{Origin::kUnknown, name}};
  return varying(anything(), std::move(from), std::move(name));
}

Value varying(const Language& language, Sources from, std::string name) {
  Piece piece;
  piece.is_literal = false;
  piece.language = language;
  piece.from = std::move(from);
  piece.name = std::move(name);
  Alternative alternative;
  alternative.text.push_back(std::move(piece));
  return {alternative};
}

Value concatenated(const Value& first, const Value& second) {
  if (first.empty() || second.empty()) return {};
  if (first.size() * second.size() > kMostAlternatives) {
    return first.size() >= second.size() ? concatenated(as_one_alternative(first), second)
                                         : concatenated(first, as_one_alternative(second));
  }
  Value both;
  for (const Alternative& one : first) {
    for (const Alternative& other : second) {
      Alternative together = one;
      for (const Piece& piece : other.text) append(together.text, piece);
      if (together.text.size() > kMostPieces) together.text = {together.as_one()};
      add(both, together);
    }
  }
  return both;
}

void join(Value& into, const Value& other) {
  for (const Alternative& alternative : other) add(into, alternative);
}

Language language_of(const Value& value) {
  if (value.empty()) return exactly("");
  Language language = value.front().language();
  for (std::size_t i = 1; i < value.size(); ++i) {
    language = either(language, value[i].language());
  }
  return language;
}

bool has(const Sources& sources, Origin origin) {
  return std::ranges::any_of(sources, [&](const Source& source) { return source.first == origin; });
}

Sources sources_of(const Value& value) {
  Sources all;
  for (const Alternative& alternative : value) {
    for (const Piece& piece : alternative.text) {
      add_sources(all, piece.from);
      add_sources(all, piece.chosen_by);
    }
  }
  return all;
}

Value chosen(Value value, const Choice& choice) {
  for (Alternative& alternative : value) {
    if (alternative.text.empty()) alternative.text.push_back(Piece::constant(""));
    for (Piece& piece : alternative.text) {
      add_sources(piece.chosen_by, choice.by);
      piece.is_secret = choice.is_secret;
      piece.is_default = choice.is_default;
    }
  }
  return value;
}

std::vector<std::string> variables_in(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') continue;
    std::size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '{') ++begin;
    std::size_t end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    // $1 is one digit, even if more digits follow.
    if (begin < text.size() && std::isdigit(static_cast<unsigned char>(text[begin])) != 0) {
      end = begin + 1;
    }
    if (end > begin) names.emplace_back(text.substr(begin, end - begin));
  }
  return names;
}

}  // namespace grantctl::nginxconf
