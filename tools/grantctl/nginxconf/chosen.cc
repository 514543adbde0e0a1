#include "nginxconf/chosen.h"

#include <algorithm>
#include <cctype>

#include "nginxconf/pattern.h"
#include "nginxconf/variables.h"

namespace grantctl::nginxconf {

namespace {

/// The variable without its '$' and the parentheses of an `if`.
std::string bare(std::string word) {
  if (word.starts_with('(')) word.erase(0, 1);
  if (word.ends_with(')')) word.pop_back();
  if (!word.starts_with('$')) return {};
  return word.substr(1);
}

/// As nginx calls the header of a request: X-User is $http_x_user.
std::string header_variable(std::string_view header) {
  std::string name = "http_";
  for (const char c : header) {
    name += c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

}  // namespace

Chosen::Chosen(const Directive& top, bool trusts_proxy) : trusts_proxy_(trusts_proxy) {
  learn_all(top);
  if (trusts_proxy_) return;
  find_set_headers(top);
  chosen_.clear();
  learn_all(top);
}

void Chosen::learn_all(const Directive& top) {
  while (learn(top, Captured::kNothing)) {
  }
}

void Chosen::find_set_headers(const Directive& block) {
  for (const Directive& directive : block.block) {
    const auto& arguments = directive.arguments;
    if (directive.name == "proxy_set_header" && arguments.size() == 2 &&
        !first_in(arguments[1], Captured::kOther, {})) {
      set_headers_.insert(header_variable(arguments[0]));
    }
    find_set_headers(directive);
  }
}

bool Chosen::is_chosen(const std::string& name) const {
  static const std::set<std::string> kHis = {
      "args",         "query_string", "request_uri",  "request",
      "request_body", "uri",          "document_uri", "proxy_add_x_forwarded_for",
      "host",         "http_host",    "http_cookie",  "content_type"};
  if (chosen_.contains(name)) return true;
  if (kHis.contains(name) || name.starts_with("cookie_") || name.starts_with("arg_")) return true;
  return name.starts_with("http_") && !trusts_proxy_ && !set_headers_.contains(name);
}

std::optional<std::string> Chosen::first_in(std::string_view text, Captured captured,
                                            const std::set<std::string>& matched) const {
  for (const std::string& name : variables_in(text)) {
    const bool his = is_number(name) ? captured == Captured::kChosen : is_chosen(name);
    if (his && !matched.contains(name)) return name;
  }
  return std::nullopt;
}

Chosen::Captured Chosen::captured_by(const Directive& directive) const {
  const auto& arguments = directive.arguments;
  if (directive.name == "rewrite" && !arguments.empty()) return Captured::kChosen;
  if (directive.name == "location" && arguments.size() == 2 && arguments[0].starts_with('~')) {
    return Captured::kChosen;
  }
  if (directive.name != "if" || arguments.size() < 3 || !arguments[1].starts_with('~')) {
    return Captured::kNothing;
  }
  return is_chosen(bare(arguments[0])) ? Captured::kChosen : Captured::kOther;
}

std::set<std::string> Chosen::matched_in(const Directive& block) const {
  std::set<std::string> matched;
  for (const Directive& directive : block.block) {
    const auto& arguments = directive.arguments;
    if (directive.name != "if" || arguments.size() != 3 || arguments[1] != "!=" ||
        directive.find("return") == nullptr) {
      continue;
    }
    const std::string one = bare(arguments[0]);
    const std::string other = bare(arguments[2]);
    if (one.empty() || other.empty()) continue;
    if (!is_number(one) && !is_chosen(one)) matched.insert(other);
    if (!is_number(other) && !is_chosen(other)) matched.insert(one);
  }
  return matched;
}

bool Chosen::learn_names(std::string_view pattern) {
  bool learnt = false;
  for (const Group& group : groups(pattern)) {
    if (!group.name.empty()) learnt = chosen_.insert(group.name).second || learnt;
  }
  return learnt;
}

bool Chosen::learn_map(const Directive& map) {
  if (map.arguments.size() != 2 || !map.arguments[1].starts_with('$')) return false;
  const bool his = first_in(map.arguments[0], Captured::kNothing, {}).has_value();
  bool learnt = false;
  for (const Directive& line : map.block) {
    const bool is_pattern = line.name.starts_with('~');
    if (is_pattern && his) learnt = learn_names(line.name) || learnt;
    const auto captured = is_pattern && his ? Captured::kChosen : Captured::kOther;
    if (line.arguments.size() == 1 && first_in(line.arguments[0], captured, {})) {
      learnt = chosen_.insert(map.arguments[1].substr(1)).second || learnt;
    }
  }
  return learnt;
}

bool Chosen::learn(const Directive& block, Captured captured) {
  bool learnt = false;
  for (const Directive& directive : block.block) {
    const auto& arguments = directive.arguments;
    const Captured own = captured_by(directive);
    if (own == Captured::kChosen) {
      const std::size_t pattern = directive.name == "if" ? 2 : directive.name == "location" ? 1 : 0;
      learnt = learn_names(arguments[pattern]) || learnt;
    }
    if (directive.name == "server_name") {
      for (const std::string& name : arguments) {
        if (name.starts_with('~')) learnt = learn_names(name) || learnt;
      }
    } else if (directive.name == "map") {
      learnt = learn_map(directive) || learnt;
    } else if (directive.name == "set" && arguments.size() == 2) {
      const auto name = arguments[0].substr(arguments[0].starts_with('$') ? 1 : 0);
      if (first_in(arguments[1], captured, {})) learnt = chosen_.insert(name).second || learnt;
    }
    // What a rewrite captured is there for the directives behind it.
    if (directive.name == "rewrite") captured = own;
    if (directive.has_block) {
      learnt = learn(directive, own == Captured::kNothing ? captured : own) || learnt;
    }
  }
  return learnt;
}

}  // namespace grantctl::nginxconf
