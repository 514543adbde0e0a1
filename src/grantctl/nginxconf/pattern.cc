#include "grantctl/nginxconf/pattern.h"

#include <algorithm>
#include <optional>

#include "grantctl/nginxconf/pattern_nodes.h"

namespace grantctl::nginxconf {

namespace {

using Node = PatternNode;

/// The texts that the alternatives may match. `is_optional`: the alternatives, and the groups in
/// them, may be left out.
Language language_of(const std::vector<Sequence>& alternatives, bool is_optional,
                     std::vector<Group>& groups);

Language language_of(const Node& node, bool is_optional, std::vector<Group>& groups) {
  is_optional = is_optional || node.least == 0 || node.kind == Node::Kind::kNothing;
  Language one = exactly("");
  switch (node.kind) {
    case Node::Kind::kCharacters:
      one = one_of(node.characters);
      break;
    case Node::Kind::kGroup:
      one = language_of(node.alternatives, is_optional, groups);
      break;
    case Node::Kind::kNothing:
      language_of(node.alternatives, is_optional, groups);
      break;
    case Node::Kind::kStart:
    case Node::Kind::kEnd:
      break;
    case Node::Kind::kUnknown:
      one = anything();
      break;
  }
  if (node.group && node.kind == Node::Kind::kGroup) {
    groups[*node.group].language = is_optional ? either(one, exactly("")) : one;
  }
  return repeated(one, node.least, node.most);
}

Language language_of(const std::vector<Sequence>& alternatives, bool is_optional,
                     std::vector<Group>& groups) {
  std::optional<Language> all;
  for (const Sequence& sequence : alternatives) {
    Language whole = exactly("");
    for (const Node& node : sequence) {
      whole =
          concatenated(whole, language_of(node, is_optional || alternatives.size() > 1, groups));
    }
    all = all ? either(*all, whole) : whole;
  }
  return all.value_or(exactly(""));
}

/// The position of a node: its sequence, and that sequence's own position.
struct Position {
  const Sequence* sequence = nullptr;
  std::size_t index = 0;
  const Position* around = nullptr;
};

/// Finds for each group whether it begins and ends at boundaries of a path's components.
class Boundaries {
 public:
  explicit Boundaries(std::vector<Group>& groups) : groups_(groups) {}

  void visit(const std::vector<Sequence>& alternatives, const Position* around) {
    for (const Sequence& sequence : alternatives) {
      for (std::size_t i = 0; i < sequence.size(); ++i) {
        const Node& node = sequence[i];
        const Position here{&sequence, i, around};
        if (node.group && node.kind == Node::Kind::kGroup) {
          Group& group = groups_[*node.group];
          group.begins_component = node.most <= 1 && (begins_with_slash(node) || begins(here));
          group.ends_component =
              node.most <= 1 && (ends({&sequence, i + 1, around}) || takes_all(node, here));
          group.is_between_slashes = i > 0 && sequence[i - 1].is_slash() &&
                                     i + 1 < sequence.size() && sequence[i + 1].is_slash();
          group.is_far_in =
              around != nullptr ||
              std::any_of(sequence.begin(), sequence.begin() + static_cast<std::ptrdiff_t>(i),
                          [](const Node& before) {
                            return before.kind != Node::Kind::kStart && !before.literal;
                          });
        }
        if (node.kind == Node::Kind::kGroup || node.kind == Node::Kind::kNothing) {
          visit(node.alternatives,
                node.kind == Node::Kind::kGroup && node.most <= 1 ? &here : &kNowhere);
        }
      }
    }
  }

 private:
  static inline const Position kNowhere{};

  static bool begins_with_slash(const Node& group) {
    return std::ranges::all_of(group.alternatives, [](const Sequence& sequence) {
      return !sequence.empty() && sequence.front().is_slash();
    });
  }

  bool begins(const Position& here) {
    if (--steps_left_ == 0 || here.sequence == nullptr) return false;
    if (here.index == 0) return here.around != nullptr && begins(*here.around);
    const Node& before = (*here.sequence)[here.index - 1];
    if (before.kind == Node::Kind::kStart || before.is_slash()) return true;
    return before.kind == Node::Kind::kGroup && before.least == 1 && before.most == 1 &&
           std::ranges::all_of(before.alternatives, [](const Sequence& sequence) {
             return !sequence.empty() && sequence.back().is_slash();
           });
  }

  /// Whether the pattern from this position on begins with a slash, or ends.
  bool ends(const Position& next) {
    if (steps_left_ == 0 || --steps_left_ == 0 || next.sequence == nullptr) return false;
    if (next.index == next.sequence->size()) {
      return next.around != nullptr && next.around->sequence != nullptr &&
             ends({next.around->sequence, next.around->index + 1, next.around->around});
    }
    const Node& node = (*next.sequence)[next.index];
    const Position behind{next.sequence, next.index + 1, next.around};
    if (node.kind == Node::Kind::kEnd) return true;
    const bool own = node.literal == '/' ||
                     (node.kind == Node::Kind::kGroup &&
                      std::ranges::all_of(node.alternatives, [&](const Sequence& sequence) {
                        return ends({&sequence, 0, &next});
                      }));
    return own && (node.least > 0 || ends(behind));
  }

  /// Whether the group takes all up to the next slash, or all: it is the last one, greedy, and the
  /// pattern has no $ behind it.
  static bool takes_all(const Node& group, const Position& here) {
    if (here.around != nullptr || here.index + 1 != here.sequence->size()) return false;
    if (group.alternatives.size() != 1 || group.alternatives[0].size() != 1) return false;
    const Node& inner = group.alternatives[0][0];
    std::bitset<256> wanted = inner.characters;
    wanted.set('/');
    wanted.set('\n');
    return inner.kind == Node::Kind::kCharacters && !inner.lazy && inner.most > 1 && wanted.all();
  }

  std::vector<Group>& groups_;
  unsigned steps_left_ = 100000;
};

}  // namespace

Pattern understand(std::string_view text, bool* is_too_deep) {
  Pattern pattern;
  pattern.whole = anything();
  if (text.size() > kLongestPattern) {
    if (is_too_deep != nullptr) *is_too_deep = true;
    return pattern;
  }
  const auto nodes = nodes_of(text, pattern.groups);
  if (!nodes) {
    if (is_too_deep != nullptr) *is_too_deep = true;
    pattern.groups.clear();
    return pattern;
  }
  const std::vector<Sequence>& alternatives = *nodes;
  pattern.whole = language_of(alternatives, /*is_optional=*/false, pattern.groups);
  Boundaries(pattern.groups).visit(alternatives, nullptr);
  if (alternatives.size() != 1) return pattern;
  Sequence only = alternatives.front();
  std::erase_if(only, [](const Node& node) { return node.kind == Node::Kind::kNothing; });
  pattern.at_start = !only.empty() && only.front().kind == Node::Kind::kStart;
  pattern.at_end = !only.empty() && only.back().kind == Node::Kind::kEnd;
  for (const Node& node : only) {
    if (node.kind == Node::Kind::kStart) continue;
    if (!node.literal || node.least != 1 || node.most != 1) break;
    pattern.prefix += *node.literal;
  }
  return pattern;
}

}  // namespace grantctl::nginxconf
