#include "grantctl/nginxconf/pattern_nodes.h"

#include <algorithm>
#include <cctype>

namespace grantctl::nginxconf {

namespace {

using Node = PatternNode;

Characters range_of(unsigned char first, unsigned char last) {
  Characters characters;
  for (unsigned c = first; c <= last; ++c) characters.set(c);
  return characters;
}

Characters digits() {
  return range_of('0', '9');
}

Characters word_characters() {
  return digits() | range_of('a', 'z') | range_of('A', 'Z') | range_of('_', '_');
}

Characters spaces() {
  return range_of('\t', '\r') | range_of(' ', ' ');
}

/// The class of \w and the like; nothing for another escape.
std::optional<Characters> class_of(char escaped) {
  switch (escaped) {
    case 'w':
      return word_characters();
    case 'W':
      return ~word_characters();
    case 'd':
      return digits();
    case 'D':
      return ~digits();
    case 's':
    case 'h':
    case 'v':
      return spaces();
    case 'S':
    case 'H':
    case 'V':
      return ~spaces();
    case 'N':
      return ~range_of('\n', '\n');
    default:
      return std::nullopt;
  }
}

Characters named_class(std::string_view name) {
  if (name == "alpha") return range_of('a', 'z') | range_of('A', 'Z');
  if (name == "digit") return digits();
  if (name == "alnum") return digits() | range_of('a', 'z') | range_of('A', 'Z');
  if (name == "lower" || name == "upper") return range_of('a', 'z') | range_of('A', 'Z');
  if (name == "xdigit") return digits() | range_of('a', 'f') | range_of('A', 'F');
  if (name == "word") return word_characters();
  if (name == "space" || name == "blank") return spaces();
  return ~Characters();
}

/// Turns a pattern into nodes.
class PatternReader {
 public:
  PatternReader(std::string_view text, std::vector<Group>& groups) : text_(text), groups_(groups) {}

  std::vector<Sequence> read() {
    auto alternatives = read_alternatives(0);
    if (at_ < text_.size()) alternatives.push_back({Node{}});  // a ')' without its '('
    return alternatives;
  }
  bool is_too_deep() const { return is_too_deep_; }

 private:
  bool more() const { return at_ < text_.size(); }

  std::vector<Sequence> read_alternatives(unsigned depth) {
    std::vector<Sequence> alternatives(1);
    while (more() && text_[at_] != ')') {
      if (text_[at_] == '|') {
        ++at_;
        alternatives.emplace_back();
        continue;
      }
      Node node = read_one(depth);
      read_quantifier(node);
      alternatives.back().push_back(std::move(node));
    }
    return alternatives;
  }

  static Node of_characters(const Characters& characters) {
    Node node;
    node.kind = Node::Kind::kCharacters;
    node.characters = characters;
    return node;
  }

  static Node of_literal(char c) {
    Node node =
        of_characters(range_of(static_cast<unsigned char>(c), static_cast<unsigned char>(c)));
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      node.characters.set(static_cast<std::size_t>(std::tolower(static_cast<unsigned char>(c))));
      node.characters.set(static_cast<std::size_t>(std::toupper(static_cast<unsigned char>(c))));
    }
    node.literal = c;
    return node;
  }

  static Node of_kind(Node::Kind kind) {
    Node node;
    node.kind = kind;
    return node;
  }

  Node read_one(unsigned depth) {
    const char c = text_[at_++];
    switch (c) {
      case '(':
        return read_group(depth);
      case '[':
        return of_characters(read_class());
      case '.':
        return of_characters(~range_of('\n', '\n'));
      case '^':
        return of_kind(Node::Kind::kStart);
      case '$':
        return of_kind(Node::Kind::kEnd);
      case '\\':
        return read_escape();
      default:
        return of_literal(c);
    }
  }

  Node read_escape() {
    if (!more()) return {};
    const char c = text_[at_++];
    if (const auto known = class_of(c)) return of_characters(*known);
    switch (c) {
      case 'z':
      case 'Z':
        return of_kind(Node::Kind::kEnd);
      case 'A':
        return of_kind(Node::Kind::kStart);
      case 'b':
      case 'B':
      case 'G':
      case 'K':
        return of_kind(Node::Kind::kNothing);
      case 't':
        return of_literal('\t');
      case 'n':
        return of_literal('\n');
      case 'r':
        return of_literal('\r');
      default:
        break;
    }
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) return {};  // \1, \x2e, \p{L}, ...
    return of_literal(c);
  }

  Characters read_class() {
    const bool negated = more() && text_[at_] == '^';
    if (negated) ++at_;
    Characters members;
    int last = kNoCharacter;
    for (bool first = true; more() && (first || text_[at_] != ']'); first = false) {
      if (read_named_class(members)) {
        last = kNoCharacter;
      } else if (text_[at_] == '-' && last != kNoCharacter && at_ + 1 < text_.size() &&
                 text_[at_ + 1] != ']') {
        ++at_;
        const int to = read_member(members);
        if (to == kNoCharacter) members.set('-');
        for (int c = last; c <= to; ++c) members.set(static_cast<std::size_t>(c));
        last = kNoCharacter;
      } else {
        last = read_member(members);
        if (last != kNoCharacter) members.set(static_cast<std::size_t>(last));
      }
    }
    if (more()) ++at_;
    return negated ? ~members : members;
  }

  /// Reads [:alpha:] and the like.
  bool read_named_class(Characters& members) {
    const auto end = text_.substr(at_).starts_with("[:") ? text_.find(":]", at_) : text_.npos;
    if (end == text_.npos) return false;
    members |= named_class(text_.substr(at_ + 2, end - at_ - 2));
    at_ = end + 2;
    return true;
  }

  static constexpr int kNoCharacter = -1;

  /// Reads one member of a class. Returns its character, or kNoCharacter if the member was a class,
  /// such as \w, which is added to `members`.
  int read_member(Characters& members) {
    const char c = text_[at_++];
    if (c != '\\' || !more()) return static_cast<unsigned char>(c);
    const char escaped = text_[at_++];
    if (const auto known = class_of(escaped)) {
      members |= *known;
      return kNoCharacter;
    }
    if (escaped == 't') return '\t';
    if (escaped == 'n') return '\n';
    if (escaped == 'r') return '\r';
    if (std::isalnum(static_cast<unsigned char>(escaped)) != 0) {
      members.set();  // \x2f and the like: it may be any character
      return kNoCharacter;
    }
    return static_cast<unsigned char>(escaped);
  }

  Node read_group(unsigned depth) {
    Node node;
    node.kind = Node::Kind::kGroup;
    bool looks = false;
    bool understood = true;
    if (more() && text_[at_] == '?') {
      understood = read_opening(node, looks);
    } else if (more() && text_[at_] == '*') {
      understood = false;
    } else {
      add_group(node, {});
    }
    if (depth == kDeepestGroups) {
      is_too_deep_ = true;
      at_ = text_.size();
      return {};
    }
    node.alternatives = read_alternatives(depth + 1);
    const bool closed = more();
    if (closed) ++at_;
    if (!understood || !closed) {
      node.kind = Node::Kind::kUnknown;
    } else if (looks) {
      node.kind = Node::Kind::kNothing;
    }
    return node;
  }

  void add_group(Node& node, std::string_view name) {
    node.group = groups_.size();
    groups_.push_back({std::string(name), anything()});
  }

  /// Reads the text behind "(?". Returns false if it is not known.
  bool read_opening(Node& node, bool& looks) {
    ++at_;
    const std::string_view rest = text_.substr(at_);
    for (const std::string_view look : {"=", "!", "<=", "<!"}) {
      if (!rest.starts_with(look)) continue;
      at_ += look.size();
      looks = true;
      return true;
    }
    for (const std::string_view plain :
         {":", ">", "i:", "s:", "is:", "si:", "i)", "s)", "is)", "si)"}) {
      if (!rest.starts_with(plain)) continue;
      looks = plain.ends_with(')');
      at_ += plain.size() - (looks ? 1 : 0);
      return true;
    }
    const std::size_t skip = rest.starts_with("P<")                            ? 2
                             : rest.starts_with('<') || rest.starts_with('\'') ? 1
                                                                               : 0;
    const auto end = rest.find_first_of(">'", skip);
    if (skip == 0 || end == rest.npos) return false;
    add_group(node, rest.substr(skip, end - skip));
    at_ += end + 1;
    return true;
  }

  void read_quantifier(Node& node) {
    constexpr unsigned kMany = 1000;
    bool any = false;
    while (more()) {
      const char c = text_[at_];
      if (c == '*' || c == '+' || c == '?') {
        ++at_;
        if (any && c != '*') {
          node.lazy = c == '?';
          continue;
        }
        node.least = c == '+' ? node.least : 0;
        node.most = c == '?' ? node.most : kMany;
      } else if (c == '{') {
        const auto end = text_.find('}', at_);
        const auto inner =
            end == text_.npos ? text_.substr(0, 0) : text_.substr(at_ + 1, end - at_ - 1);
        if (inner.empty() || std::isdigit(static_cast<unsigned char>(inner[0])) == 0 ||
            inner.find_first_not_of("0123456789,") != inner.npos) {
          return;  // a literal brace
        }
        at_ = end + 1;
        node.least = number(inner.substr(0, inner.find(',')));
        const auto comma = inner.find(',');
        node.most = comma == inner.npos         ? node.least
                    : comma + 1 == inner.size() ? kMany
                                                : number(inner.substr(comma + 1));
      } else {
        return;
      }
      any = true;
    }
  }

  static unsigned number(std::string_view text) {
    constexpr unsigned kMost = 1000;
    unsigned value = 0;
    for (const char c : text) value = std::min(kMost, value * 10 + static_cast<unsigned>(c - '0'));
    return value;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Group>& groups_;
  bool is_too_deep_ = false;
};

}  // namespace

std::optional<std::vector<Sequence>> nodes_of(std::string_view pattern,
                                              std::vector<Group>& groups) {
  PatternReader reader(pattern, groups);
  auto alternatives = reader.read();
  if (reader.is_too_deep()) return std::nullopt;
  return alternatives;
}

}  // namespace grantctl::nginxconf
