#include "nginxconf/variables.h"

#include <algorithm>
#include <cctype>
#include <cstring>

#include "nginxconf/pattern.h"

namespace grantctl::nginxconf {

namespace {

bool is_name_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

/// As the client sent it. ($uri and its like are normalised by nginx; of $http_host it lets in no
/// '/' and no "..".)
bool is_clients(const std::string& name) {
  static const std::set<std::string> kRaw = {
      "args",        "query_string",    "request_uri",     "request",     "request_body",
      "remote_user", "ssl_client_s_dn", "ssl_client_i_dn", "http_cookie", "content_type"};
  if (name == "http_host") return false;
  return kRaw.contains(name) || name.starts_with("cookie_") || name.starts_with("arg_") ||
         name.starts_with("http_");
}

/// `if ($name OPERATOR PATTERN)`, without the parentheses; nothing for other conditions.
struct Comparison {
  std::string variable;
  std::string operation;
  std::string pattern;
};

std::optional<Comparison> comparison(const Directive& condition) {
  if (condition.name != "if" || condition.arguments.size() < 3) return std::nullopt;
  std::string variable = condition.arguments.front();
  std::string pattern = condition.arguments[2];
  if (variable.starts_with('(')) variable.erase(0, 1);
  if (pattern.ends_with(')') && condition.arguments.size() == 3) pattern.pop_back();
  if (!variable.starts_with('$')) return std::nullopt;
  return Comparison{variable.substr(1), condition.arguments[1], pattern};
}

bool is_safe(const Group& group, const Captures& captures) {
  if (matches_plain_names(group.text)) return true;
  const bool has_slash = group.text.starts_with('/') && group.text.find('|') == group.text.npos &&
                         (group.text.size() == 1 || !std::strchr("?*{", group.text[1]));
  if (captures.of_path) return group.after_slash || has_slash;
  return !captures.of_client;
}

}  // namespace

bool is_number(const std::string& name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; });
}

std::vector<std::string> variables_in(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$') continue;
    std::size_t begin = i + 1;
    if (begin < text.size() && text[begin] == '{') ++begin;
    std::size_t end = begin;
    while (end < text.size() && is_name_character(text[end])) ++end;
    // $1 is one digit, whatever follows.
    if (begin < text.size() && std::isdigit(static_cast<unsigned char>(text[begin])) != 0) {
      end = begin + 1;
    }
    if (end > begin) names.emplace_back(text.substr(begin, end - begin));
  }
  return names;
}

Variables::Variables(const Directive& top) {
  while (learn(top, std::nullopt)) {
  }
}

bool Variables::add(std::string name) {
  return unchecked_.insert(std::move(name)).second;
}

bool Variables::is_unchecked(const std::string& name) const {
  return is_clients(name) || unchecked_.contains(name);
}

std::optional<std::string> Variables::unchecked_in(std::string_view text,
                                                   const std::optional<Captures>& captures,
                                                   const std::set<std::string>& checked) const {
  for (const std::string& name : variables_in(text)) {
    if (checked.contains(name)) continue;
    if (!is_number(name)) {
      if (is_unchecked(name)) return name;
      continue;
    }
    if (!captures) continue;
    const auto found = groups(captures->pattern);
    const auto number = static_cast<std::size_t>(name.front() - '0');
    if (number == 0) {
      if (!captures->of_path && captures->of_client) return name;
    } else if (number <= found.size() && !is_safe(found[number - 1], *captures)) {
      return name;
    }
  }
  return std::nullopt;
}

std::optional<Captures> Variables::captures_of(const Directive& directive) const {
  const auto& arguments = directive.arguments;
  if (directive.name == "location" && arguments.size() == 2 && arguments[0].starts_with('~')) {
    return Captures{arguments[1], true, false};
  }
  if (directive.name == "rewrite" && !arguments.empty()) return Captures{arguments[0], true, false};
  const auto compared = comparison(directive);
  if (!compared || !compared->operation.starts_with('~')) return std::nullopt;
  const bool of_path = compared->variable == "uri" || compared->variable == "document_uri";
  return Captures{compared->pattern, of_path, is_unchecked(compared->variable)};
}

bool Variables::learn_names(const Captures& captures) {
  bool learnt = false;
  for (const Group& group : groups(captures.pattern)) {
    if (!group.name.empty() && !is_safe(group, captures)) learnt = add(group.name) || learnt;
  }
  return learnt;
}

bool Variables::learn_map(const Directive& map) {
  if (map.arguments.size() != 2 || !map.arguments[1].starts_with('$')) return false;
  bool of_client = false;
  for (const std::string& name : variables_in(map.arguments[0])) {
    of_client = of_client || is_unchecked(name);
  }
  const bool of_path = map.arguments[0] == "$uri";
  bool learnt = false;
  bool unchecked = false;
  for (const Directive& line : map.block) {
    std::optional<Captures> captures;
    if (line.name.starts_with('~')) {
      captures =
          Captures{line.name.substr(line.name.starts_with("~*") ? 2 : 1), of_path, of_client};
      learnt = learn_names(*captures) || learnt;
    }
    if (line.arguments.size() == 1 && unchecked_in(line.arguments[0], captures, {}))
      unchecked = true;
  }
  return (unchecked && add(map.arguments[1].substr(1))) || learnt;
}

bool Variables::learn(const Directive& block, const std::optional<Captures>& captures) {
  bool learnt = false;
  const auto checked = checked_in(block);
  for (const Directive& directive : block.block) {
    auto own = captures_of(directive);
    if (own) learnt = learn_names(*own) || learnt;
    if (directive.name == "map") {
      learnt = learn_map(directive) || learnt;
    } else if (directive.name == "set" && directive.arguments.size() == 2 &&
               unchecked_in(directive.arguments[1], captures, checked)) {
      learnt =
          add(directive.arguments[0].substr(directive.arguments[0].starts_with('$') ? 1 : 0)) ||
          learnt;
    } else if (directive.has_block) {
      learnt = learn(directive, own ? own : captures) || learnt;
    }
  }
  return learnt;
}

std::set<std::string> checked_in(const Directive& block) {
  std::set<std::string> names;
  for (const Directive& directive : block.block) {
    const auto compared = comparison(directive);
    if (compared && compared->operation.starts_with("!~") && directive.find("return") != nullptr &&
        admits_plain_names_only(compared->pattern)) {
      names.insert(compared->variable);
    }
  }
  return names;
}

}  // namespace grantctl::nginxconf
