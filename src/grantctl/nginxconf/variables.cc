#include "grantctl/nginxconf/variables.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

#include "base/quote.h"
#include "grantctl/nginxconf/builtins.h"
#include "grantctl/nginxconf/networks.h"

namespace grantctl::nginxconf {

namespace {

std::string without_dollar(const std::string& word) {
  return word.starts_with('$') ? word.substr(1) : word;
}

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

grantfs::Error stopped(const Place& place, std::string_view what) {
  return {grantfs::ErrorKind::kInvalid,
          fmt::format("{}:{}: {}", grantfs::escaped(place.file), place.line, what)};
}

/// The sources as they are once nginx has verified certificates.
Sources verified(const Sources& sources) {
  Sources all;
  for (Source source : sources) {
    if (source.first == Origin::kCertificate) source.first = Origin::kVerifiedCertificate;
    all.insert(std::move(source));
  }
  return all;
}

Value verified(Value value) {
  for (Alternative& alternative : value) {
    for (Piece& piece : alternative.text) {
      piece.from = verified(piece.from);
      piece.chosen_by = verified(piece.chosen_by);
    }
  }
  return value;
}

/// The value of one group of a match in `subject`.
Value of_group(const Group& group, const Language& subject, const Sources& from,
               bool merges_slashes) {
  Language language = with_characters_of(group.language, subject);
  if (subject.whole_components && group.begins_component && group.ends_component) {
    language.whole_components = true;
    language.may_be_dot = language.may_be_dots = false;
    // nginx merges several slashes into one.
    if (group.is_between_slashes && merges_slashes) language.may_be_empty = false;
  } else if (subject.whole_components) {
    language.is_cut_before = !group.begins_component;
    language.is_cut_behind = !group.ends_component;
  }
  if (!subject.may_be_dots && !subject.may_hold('/')) language.may_be_dots = false;
  Value value = varying(language, from, group.name);
  value[0].text[0].is_far_in = group.is_far_in && group.begins_component;
  return value;
}

}  // namespace

const Value* Frame::find_here(const std::string& name) const {
  const auto found = known_.find(name);
  return found == known_.end() ? nullptr : &found->second;
}

const Value* Frame::find(const std::string& name) const {
  for (const Frame* frame = this; frame != nullptr; frame = frame->around_) {
    if (const Value* value = frame->find_here(name)) return value;
  }
  return nullptr;
}

bool is_secret_word(const std::string& key, const Value& subject) {
  constexpr std::size_t kLongEnough = 16;
  std::string word = key;
  for (const std::string_view scheme : {"Basic ", "Bearer "}) {
    if (word.starts_with(scheme)) word.erase(0, scheme.size());
  }
  const bool has_digit = std::ranges::any_of(word, is_digit);
  const bool has_letter = std::ranges::any_of(
      word, [](char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; });
  if (word.size() < kLongEnough || !has_digit || !has_letter) return false;
  if (word.find_first_of("./ ") != word.npos) return false;
  return std::ranges::all_of(sources_of(subject), [](const Source& source) {
    return source.first == Origin::kHeader || source.first == Origin::kCookie ||
           source.first == Origin::kArgument;
  });
}

Variables::Variables(const Directive& top, Cost& cost) : cost_(cost) {
  collect(top, nullptr);
}

bool Variables::step(const Place& place, std::size_t steps) {
  cost_.steps += steps;
  if (cost_.steps > kMostSteps && !cost_.trouble) {
    cost_.trouble = stopped(place, "the configuration is too entangled to be judged");
  }
  return !cost_.trouble;
}

void Variables::collect_named(const Directive& directive, const std::string& text,
                              const std::string& subject) {
  for (const Group& group : pattern(text, directive.place).groups) {
    if (!group.name.empty()) named_[group.name].push_back({&directive, text, subject});
  }
}

void Variables::collect(const Directive& block, const Directive* map) {
  static const std::set<std::string_view> kScripts = {"perl_set",
                                                      "js_set",
                                                      "js_var",
                                                      "set_by_lua",
                                                      "set_by_lua_block",
                                                      "set_by_lua_file",
                                                      "set_random",
                                                      "set_unescape_uri",
                                                      "set_decode_base64",
                                                      "encrypted_session_expires"};
  for (const Directive& directive : block.block) {
    const auto& words = directive.arguments;
    if (map != nullptr) {
      if (directive.name.starts_with('~')) {
        collect_named(directive, directive.name.substr(directive.name.starts_with("~*") ? 2 : 1),
                      map->arguments[0]);
      }
      continue;
    }
    const bool defines =
        directive.name == "map" || directive.name == "geo" || directive.name == "split_clients";
    if (defines && directive.has_block && !words.empty()) {
      definitions_[without_dollar(words.back())].push_back(&directive);
      collect(directive, directive.name == "map" ? &directive : nullptr);
      continue;
    }
    if (directive.name == "merge_slashes" && !words.empty() && words[0] == "off") {
      merges_slashes_ = false;
    }
    if (directive.name == "set" && words.size() == 2) set_.insert(without_dollar(words[0]));
    if (directive.name == "auth_request_set" && words.size() == 2) {
      definitions_[without_dollar(words[0])].push_back(&directive);
    }
    if (kScripts.contains(directive.name) && !words.empty()) {
      scripted_.insert(without_dollar(words[0]));
    }
    if (directive.name == "server_name") {
      for (const std::string& word : words) {
        if (word.starts_with('~')) collect_named(directive, word.substr(1), "$host");
      }
    } else if (directive.name == "location" && words.size() == 2 && words[0].starts_with('~')) {
      collect_named(directive, words[1], "$uri");
    } else if (directive.name == "rewrite" && !words.empty()) {
      collect_named(directive, words[0], "$uri");
    } else if (directive.name == "if" && words.size() >= 3 &&
               words[1].find('~') != std::string::npos) {
      std::string text = words[2];
      if (text.ends_with(')')) text.pop_back();
      collect_named(directive, text, words[0].substr(words[0].starts_with('(') ? 1 : 0));
    }
    if (directive.has_block) collect(directive, nullptr);
  }
}

const Pattern& Variables::pattern(const std::string& text, const Place& place) {
  const auto known = patterns_.find(text);
  if (known != patterns_.end()) return known->second;
  bool is_too_deep = false;
  step(place, 1 + text.size());
  Pattern made = understand(text, &is_too_deep);
  if (is_too_deep && !cost_.trouble) {
    cost_.trouble =
        stopped(place, fmt::format("a pattern is too long or too deep to be judged: more than {} "
                                   "characters, or {} groups within groups",
                                   kLongestPattern, kDeepestGroups));
  }
  return patterns_.emplace(text, std::move(made)).first->second;
}

Captured Variables::captured(const std::string& text, const Value& subject, const Place& place) {
  const Pattern& parsed = pattern(text, place);
  const Language language = language_of(subject);
  const Sources from = sources_of(subject);
  Captured captured;
  captured.numbers[0] = varying(with_characters_of(parsed.whole, language), from, "0");
  for (std::size_t i = 0; i < parsed.groups.size(); ++i) {
    Value value = of_group(parsed.groups[i], language, from, merges_slashes_);
    if (!parsed.groups[i].name.empty()) captured.named[parsed.groups[i].name] = value;
    if (i + 1 >= captured.numbers.size()) continue;
    value[0].text[0].name = std::to_string(i + 1);
    captured.numbers[i + 1] = std::move(value);
  }
  return captured;
}

Value Variables::of(std::string_view text, const Frame& frame, const Place& place) {
  Value whole = constant("");
  Frame changed(&frame);
  changed.numbers = frame.numbers;
  for (std::size_t i = 0; i < text.size() && step(place);) {
    const auto dollar = text.find('$', i);
    whole = concatenated(whole, constant(text.substr(i, dollar - i)));
    if (dollar == text.npos) break;
    const auto names = variables_in(text.substr(dollar, 200));
    const bool braced = dollar + 1 < text.size() && text[dollar + 1] == '{';
    const std::size_t begin = dollar + (braced ? 2 : 1);
    if (names.empty() || !text.substr(begin).starts_with(names[0])) {
      whole = concatenated(whole, constant("$"));
      i = dollar + 1;
      continue;
    }
    const std::string& name = names[0];
    whole = concatenated(whole, lookup(name, changed, place));
    // A lookup in a map matches the map's patterns, and $1 is then of the last match
    // (ngx_http_regex_exec).
    i = begin + name.size() + (braced ? 1 : 0);
    const auto number = text.find('$', i);
    if (number != text.npos && number + 1 < text.size() && is_digit(text[number + 1])) {
      match_patterns_of(name, frame, changed.numbers);
    }
  }
  return whole;
}

void Variables::match_patterns_of(const std::string& name, const Frame& frame,
                                  Frame::Numbers& numbers) {
  const auto definitions = definitions_.find(name);
  if (definitions == definitions_.end()) return;
  for (const Directive* map : definitions->second) {
    if (map->name != "map" || map->arguments.size() != 2) continue;
    const Value subject = of(map->arguments[0], frame, map->place);
    for (const Directive& line : map->block) {
      if (!line.name.starts_with('~') || !step(line.place)) continue;
      const auto more =
          captured(line.name.substr(line.name.starts_with("~*") ? 2 : 1), subject, line.place);
      for (std::size_t n = 0; n < more.numbers.size(); ++n) join(numbers[n], more.numbers[n]);
    }
  }
}

Value Variables::lookup(const std::string& name, const Frame& frame, const Place& place) {
  if (!step(place)) return unknown(name);
  if (name.size() == 1 && is_digit(name[0])) {
    used_frame_ = true;
    const Value& value = frame.numbers[static_cast<std::size_t>(name[0] - '0')];
    return value.empty() ? constant("") : value;
  }
  if (const Value* value = frame.find(name)) {
    used_frame_ = true;
    return *value;
  }
  const auto known = remembered_.find(name);
  if (known != remembered_.end()) return known->second;
  if (depth_ == kLongestChain && !cost_.trouble) {
    cost_.trouble = stopped(place, fmt::format("${} depends on variables that depend on variables, "
                                               "more than {} deep",
                                               name, kLongestChain));
  }
  // nginx ends a request whose variable depends on itself.
  if (cost_.trouble || !under_way_.insert(name).second) return unknown(name);
  ++depth_;
  const bool used_before = used_frame_;
  used_frame_ = false;
  Value value = defined(name, frame, place);
  if (!used_frame_) remembered_[name] = value;
  used_frame_ = used_frame_ || used_before;
  --depth_;
  under_way_.erase(name);
  return value;
}

Value Variables::defined(const std::string& name, const Frame& frame, const Place& place) {
  if (scripted_.contains(name)) return unknown(name);
  const auto definitions = definitions_.find(name);
  if (definitions != definitions_.end()) {
    Value value;
    for (const Directive* definition : definitions->second) {
      join(value, of_definition(*definition, frame));
    }
    if (value.empty()) value = constant("");
    return value;
  }
  if (set_.contains(name)) {
    used_frame_ = true;
    return constant("");  // it is not set in this place
  }
  const auto named = named_.find(name);
  if (named != named_.end()) return of_named(named->second, frame, place);
  if (auto value = builtin(name)) return *value;
  return unknown(name);
}

Value Variables::of_named(const std::vector<Named>& all, const Frame& frame, const Place& place) {
  Value value = constant("");  // for requests that it does not match
  for (const Named& one : all) {
    if (!step(place)) break;
    const auto found = captured(one.pattern, of(one.subject, frame, place), one.directive->place);
    for (const Group& group : pattern(one.pattern, place).groups) {
      if (found.named.contains(group.name)) join(value, found.named.at(group.name));
    }
  }
  return value;
}

Value Variables::of_definition(const Directive& definition, const Frame& frame) {
  if (definition.name == "map") return of_map(definition, frame);
  if (definition.name == "geo") return of_geo(definition, frame);
  if (definition.name == "split_clients") return of_split(definition, frame);
  return of(definition.arguments[1], frame, definition.place);  // auth_request_set
}

Value Variables::of_map(const Directive& map, const Frame& frame) {
  if (map.arguments.size() != 2) return {};
  const Value subject = of(map.arguments[0], frame, map.place);
  Value value;
  bool has_default = false;
  for (const Directive& line : map.block) {
    if (!step(line.place)) break;
    if (line.arguments.size() != 1 || line.name == "include") continue;  // hostnames, volatile
    has_default = has_default || line.name == "default";
    join(value, of_map_line(line, subject, map.arguments[0], frame));
  }
  if (!has_default) {
    join(value, chosen(constant(""), {sources_of(subject), false, true}));
  }
  return value;
}

Value Variables::of_map_line(const Directive& line, const Value& subject, const std::string& source,
                             const Frame& frame) {
  const bool is_pattern = line.name.starts_with('~');
  const std::string key = line.name.substr(!is_pattern ? 0 : line.name.starts_with("~*") ? 2 : 1);
  const bool is_verified = source.starts_with("$ssl_client_verify") &&
                           (key.starts_with("SUCCESS") || key.starts_with("^SUCCESS"));
  const Value matched = is_verified ? verified(subject) : subject;
  Value value;
  if (is_pattern) {
    const Captured found = captured(key, matched, line.place);
    Frame inner(&frame);
    inner.numbers = found.numbers;
    for (const auto& [name, part] : found.named) inner.set(name, part);
    const bool used_before = used_frame_;
    value = of(line.arguments[0], inner, line.place);
    // A map's own captures do not depend on the place where the map is used. Other captures, and
    // variables that were set, do.
    used_frame_ =
        used_before || std::ranges::any_of(variables_in(line.arguments[0]), [&](auto& name) {
          return !found.named.contains(name) && !is_digit(name[0]) &&
                 (frame.find(name) != nullptr || set_.contains(name));
        });
  } else {
    value = of(line.arguments[0], frame, line.place);
  }
  const bool is_default = !is_pattern && key == "default";
  return chosen(std::move(value),
                {sources_of(matched), !is_pattern && !is_default && is_secret_word(key, subject),
                 is_default});
}

Value Variables::of_geo(const Directive& geo, const Frame& frame) {
  Sources by{{Origin::kAddress, "remote_addr"}};
  if (geo.arguments.size() == 2) by = sources_of(of(geo.arguments[0], frame, geo.place));
  Value value;
  bool has_default = false;
  for (const Directive& line : geo.block) {
    if (!step(line.place)) break;
    if (line.name == "proxy" && line.arguments.size() == 1 && is_wide(line.arguments[0])) {
      by.insert({Origin::kHeader, "http_x_forwarded_for"});
    }
  }
  for (const Directive& line : geo.block) {
    if (!step(line.place)) break;
    if (line.arguments.size() != 1 || line.name == "include" || line.name == "proxy" ||
        line.name == "delete") {
      continue;
    }
    const bool is_default = line.name == "default" || line.name == "0.0.0.0/0";
    has_default = has_default || is_default;
    join(value, chosen(constant(line.arguments[0]), {by, false, is_default}));
  }
  if (!has_default) join(value, chosen(constant(""), {by, false, true}));
  return value;
}

Value Variables::of_split(const Directive& split, const Frame& frame) {
  Sources by = split.arguments.size() == 2 ? sources_of(of(split.arguments[0], frame, split.place))
                                           : Sources();
  // Chance chooses the value, so the value does not say who a visitor is.
  by.insert({Origin::kUnknown, without_dollar(split.arguments.back())});
  Value value;
  bool has_rest = false;
  for (const Directive& line : split.block) {
    if (!step(line.place)) break;
    if (line.arguments.size() != 1) continue;
    has_rest = has_rest || line.name == "*";
    join(value, chosen(constant(line.arguments[0]), {by}));
  }
  if (!has_rest) join(value, chosen(constant(""), {by, false, true}));
  return value;
}

std::optional<Value> Variables::for_urls_below(const std::string& name, const std::string& prefix) {
  const auto definitions = definitions_.find(name);
  if (definitions == definitions_.end() || prefix.size() < 2) return std::nullopt;
  for (const Directive* map : definitions->second) {
    if (map->name != "map" || map->arguments.size() != 2) continue;
    const Frame nowhere;
    const Value subject = of(map->arguments[0], nowhere, map->place);
    const bool is_of_url = std::ranges::any_of(
        sources_of(subject), [](const Source& source) { return source.first == Origin::kUrl; });
    if (!is_of_url) continue;
    for (const Directive& line : map->block) {
      if (!line.name.starts_with('~') || line.arguments.size() != 1 || !step(line.place)) continue;
      std::string plain = line.name;
      std::erase(plain, '\\');
      if (plain.find(prefix) == plain.npos &&
          plain.find(prefix.substr(0, prefix.size() - 1) + "(") == plain.npos)
        continue;
      return of_map_line(line, subject, map->arguments[0], nowhere);
    }
  }
  return std::nullopt;
}

}  // namespace grantctl::nginxconf
