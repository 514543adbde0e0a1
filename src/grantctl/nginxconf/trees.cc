#include "grantctl/nginxconf/trees.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

namespace grantctl::nginxconf {

namespace {

/// Whether the component may be exactly that name.
bool may_equal(const Component& component, std::string_view name) {
  std::size_t begin = 0;
  std::size_t end = component.pieces.size();
  for (; begin < end && component.pieces[begin].is_literal; ++begin) {
    if (!name.starts_with(component.pieces[begin].literal)) return false;
    name.remove_prefix(component.pieces[begin].literal.size());
  }
  for (; end > begin && component.pieces[end - 1].is_literal; --end) {
    if (!name.ends_with(component.pieces[end - 1].literal)) return false;
    name.remove_suffix(component.pieces[end - 1].literal.size());
  }
  if (begin == end) return name.empty();
  Language rest = component.pieces[begin].language;
  for (std::size_t i = begin + 1; i < end; ++i) {
    rest = concatenated(rest, component.pieces[i].language);
  }
  if (name.empty()) return rest.may_be_empty || component.spans;
  return std::ranges::all_of(name, [&](char c) { return rest.may_hold(c); });
}

/// Whether the name may begin with the constant beginning of a component that spans others.
bool may_begin(const Component& component, std::string_view name) {
  if (component.pieces.empty() || !component.pieces[0].is_literal) return true;
  return name.starts_with(component.pieces[0].literal);
}

void add_literal(std::vector<Component>& path, const Piece& piece, bool& open) {
  const std::string& text = piece.literal;
  std::size_t at = 0;
  while (at <= text.size()) {
    const auto slash = std::min(text.find('/', at), text.size());
    if (slash > at) {
      if (!open) path.emplace_back();
      Piece part = piece;
      part.literal = text.substr(at, slash - at);
      part.language = exactly(part.literal);
      path.back().pieces.push_back(std::move(part));
      open = true;
    }
    if (slash == text.size()) break;
    open = false;
    at = slash + 1;
  }
}

}  // namespace

std::optional<std::string> Component::constant() const {
  return Alternative{pieces}.constant();
}

Language Component::language() const {
  Language language = exactly("");
  for (const Piece& piece : pieces) language = concatenated(language, piece.language);
  return language;
}

Sources Component::from() const {
  Sources all;
  for (const Piece& piece : pieces) all.insert(piece.from.begin(), piece.from.end());
  return all;
}

const Piece* Component::varying() const {
  const auto found =
      std::ranges::find_if(pieces, [](const Piece& piece) { return !piece.is_literal; });
  return found == pieces.end() ? nullptr : &*found;
}

std::vector<Component> components_of(const std::vector<Piece>& path) {
  std::vector<Component> components;
  bool open = false;
  for (const Piece& piece : path) {
    if (piece.is_literal) {
      add_literal(components, piece, open);
      continue;
    }
    const bool spans = piece.language.may_hold('/');
    if (!open || (spans && piece.language.begins_with_slash)) components.emplace_back();
    components.back().pieces.push_back(piece);
    components.back().spans = components.back().spans || spans;
    open = !spans;
  }
  std::vector<Component> walked;
  for (Component& component : components) {
    const auto text = component.constant();
    if (text && *text == ".") continue;
    if (text && *text == ".." && !walked.empty() && !walked.back().spans) {
      walked.pop_back();
      continue;
    }
    walked.push_back(std::move(component));
  }
  return walked;
}

std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> names;
  for (const Component& component : components_of({Piece::constant(path)})) {
    names.push_back(*component.constant());
  }
  return names;
}

std::vector<Reach> ways_into(const Tree& tree, const std::vector<Component>& path) {
  const std::vector<std::string> names = split_path(tree.path);
  std::vector<Reach> ways;
  // The counts of names of the tree's path that the components so far may stand for.
  std::set<std::size_t> matched = {0};
  for (std::size_t i = 0; i <= path.size(); ++i) {
    if (matched.erase(names.size()) > 0) ways.push_back({i, -1});
    if (i == path.size()) break;
    std::set<std::size_t> next;
    for (const std::size_t count : matched) {
      const Component& component = path[i];
      if (component.spans && may_begin(component, names[count])) {
        ways.push_back({i, static_cast<int>(i)});
        continue;
      }
      if (may_equal(component, names[count])) next.insert(count + 1);
      if (component.language().may_be_empty) next.insert(count);
    }
    matched = std::move(next);
  }
  return ways;
}

std::vector<Piece> resolved(const std::vector<Piece>& path, const std::string& folder) {
  if (path.empty() || !path[0].is_literal) return path;
  // The text up to the last slash is resolved: the component behind that slash may go on in the
  // next piece.
  const std::string& text = path[0].literal;
  const std::size_t slash = path.size() == 1 ? text.size() : text.rfind('/');
  if (slash == text.npos || slash == 0) return path;
  std::filesystem::path fixed = text.substr(0, slash);
  std::error_code failed;
  if (fixed.is_relative()) {
    const std::filesystem::path own = folder.empty() ? "." : folder;
    for (const auto& prefix : {own, own / "..", std::filesystem::path("/usr/share/nginx"),
                               std::filesystem::path("/etc/nginx")}) {
      if (!std::filesystem::exists(prefix / fixed, failed)) continue;
      fixed = prefix / fixed;
      break;
    }
    if (fixed.is_relative()) fixed = own / fixed;
  }
  const auto real = std::filesystem::weakly_canonical(fixed, failed);
  if (failed) return path;
  std::vector<Piece> same = path;
  same[0].literal = real.native() + text.substr(slash);
  same[0].language = exactly(same[0].literal);
  return same;
}

}  // namespace grantctl::nginxconf
