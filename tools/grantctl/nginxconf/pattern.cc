#include "nginxconf/pattern.h"

#include <algorithm>

namespace grantctl::nginxconf {

namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '=' || c == '~' || c == '@';
}

/// One past the ']' of the class that begins at `at`; npos if it is not closed.
std::size_t end_of_class(std::string_view pattern, std::size_t at) {
  std::size_t i = at + 1;
  if (i < pattern.size() && pattern[i] == '^') ++i;
  if (i < pattern.size() && pattern[i] == ']') ++i;
  for (; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == ']') {
      return i + 1;
    }
  }
  return std::string_view::npos;
}

/// [a-z0-9_-], and nothing that it could hide; dots too if `dots`.
bool is_plain_class(std::string_view members, bool dots) {
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i] == '\\') {
      ++i;
      if (i == members.size() || std::string_view("wd-").find(members[i]) == members.npos)
        return false;
      continue;
    }
    if (dots && members[i] == '.') continue;
    if (!is_plain(members[i])) return false;
    if (i + 2 < members.size() && members[i + 1] == '-') {
      for (int c = members[i]; c <= members[i + 2]; ++c) {
        if (!is_plain(static_cast<char>(c))) return false;
      }
      i += 2;
    }
  }
  return !members.empty();
}

/// One past the ')' that closes the group whose '(' is at `at`.
std::size_t end_of_group(std::string_view pattern, std::size_t at) {
  unsigned open = 0;
  for (std::size_t i = at; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      i = end_of_class(pattern, i);
      if (i == pattern.npos) return i;
      --i;
    } else if (pattern[i] == '(') {
      ++open;
    } else if (pattern[i] == ')' && --open == 0) {
      return i + 1;
    }
  }
  return pattern.npos;
}

/// What opens a group behind its '(': "" for (x), "?:" for (?:x), "?<name>" for (?<name>x).
std::string_view opening(std::string_view group) {
  if (!group.starts_with('?')) return {};
  if (group.starts_with("?:")) return group.substr(0, 2);
  const bool named = group.starts_with("?<") || group.starts_with("?P<") || group.starts_with("?'");
  const bool looks_behind = group.starts_with("?<=") || group.starts_with("?<!");
  if (!named || looks_behind) return group.substr(0, 1);
  const auto end = group.find_first_of(">'", group.find_first_of("<'") + 1);
  return end == group.npos ? group.substr(0, 1) : group.substr(0, end + 1);
}

std::string name_in(std::string_view opened) {
  const auto begin = opened.find_first_of("<'");
  if (begin == opened.npos) return {};
  return std::string(opened.substr(begin + 1, opened.size() - begin - 2));
}

/// Whether the first character of all that it matches is surely a plain one, no dot.
bool begins_plain(std::string_view pattern) {
  std::size_t end = 1;
  if (pattern.starts_with('[')) {
    end = end_of_class(pattern, 0);
    if (end == pattern.npos || !is_plain_class(pattern.substr(1, end - 2), /*dots=*/false))
      return false;
  } else if (pattern.empty() || !is_plain(pattern[0])) {
    return false;
  }
  const bool may_be_missing =
      pattern.size() > end && std::string_view("*?{").find(pattern[end]) != pattern.npos;
  return !may_be_missing && pattern.find('|') == pattern.npos;
}

bool matches_plain(std::string_view pattern, bool dots) {
  if (pattern.empty()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '[') {
      const auto end = end_of_class(pattern, i);
      if (end == pattern.npos || !is_plain_class(pattern.substr(i + 1, end - i - 2), dots))
        return false;
      i = end - 1;
    } else if (c == '(') {
      const auto end = end_of_group(pattern, i);
      const auto opened = opening(pattern.substr(i + 1));
      if (end == pattern.npos || opened == "?") return false;
      const auto begin = i + 1 + opened.size();
      if (!matches_plain(pattern.substr(begin, end - 1 - begin), dots)) return false;
      i = end - 1;
    } else if (c == '{') {
      const auto end = pattern.find('}', i);
      if (end == pattern.npos ||
          pattern.substr(i + 1, end - i - 1).find_first_not_of("0123456789,") != pattern.npos) {
        return false;
      }
      i = end;
    } else if (c == '\\') {
      ++i;
      if (i == pattern.size()) return false;
      const std::string_view known = dots ? "wd-." : "wd-";
      if (known.find(pattern[i]) == known.npos) return false;
    } else if (!is_plain(c) && std::string_view("+*?|").find(c) == std::string_view::npos) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<Group> groups(std::string_view pattern) {
  std::vector<Group> found;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '[') {
      const auto end = end_of_class(pattern, i);
      if (end == pattern.npos) return found;
      i = end - 1;
    } else if (pattern[i] == '(') {
      const auto opened = opening(pattern.substr(i + 1));
      const bool captures = opened.empty() || opened.size() > 2;
      const auto end = end_of_group(pattern, i);
      if (end == pattern.npos) return found;
      if (!captures) continue;
      const auto begin = i + 1 + opened.size();
      found.push_back({name_in(opened), std::string(pattern.substr(begin, end - 1 - begin)),
                       i > 0 && pattern[i - 1] == '/'});
    }
  }
  return found;
}

bool matches_plain_names(std::string_view pattern) {
  return matches_plain(pattern, begins_plain(pattern));
}

bool admits_plain_names_only(std::string_view pattern) {
  if (!pattern.starts_with('^')) return false;
  const bool dollar = pattern.ends_with('$');
  if (!dollar && !pattern.ends_with("\\z")) return false;
  const auto body = pattern.substr(1, pattern.size() - (dollar ? 2 : 3));
  // ^a|b$ anchors neither.
  unsigned open = 0;
  for (const char c : body) {
    if (c == '(') ++open;
    if (c == ')' && open > 0) --open;
    if (c == '|' && open == 0) return false;
  }
  return matches_plain_names(body);
}

}  // namespace grantctl::nginxconf
