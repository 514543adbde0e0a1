#include "grantctl/nginxconf/serving.h"

#include <algorithm>

#include "grantctl/nginxconf/builtins.h"

namespace grantctl::nginxconf {

namespace {

/// The part of a URL behind a location's prefix.
Value rest_of_url() {
  Language rest = normalised_path();
  rest.may_be_empty = true;
  rest.begins_with_slash = false;
  return varying(rest, {{Origin::kUrl, "uri"}}, "uri");
}

/// Removes a location's prefix from the URI, as an alias does.
Value without_prefix(const Value& uri, const std::string& prefix) {
  Value rest;
  for (Alternative alternative : uri) {
    if (!alternative.text.empty() && alternative.text[0].is_literal &&
        alternative.text[0].literal.starts_with(prefix)) {
      alternative.text[0].literal.erase(0, prefix.size());
      alternative.text[0].language = exactly(alternative.text[0].literal);
      rest.push_back(std::move(alternative));
    } else {
      join(rest, rest_of_url());
    }
  }
  return rest;
}

bool is_file_test(const std::string& word) {
  static const std::set<std::string_view> kTests = {"-f", "-d", "-e", "-x"};
  const auto begin = word.find_first_not_of("(!");
  return begin != word.npos && kTests.contains(std::string_view(word).substr(begin));
}

/// The path of a URI without its query. The query begins at '?', or at $is_args, which is a '?' or
/// empty.
std::string without_query(const std::string& uri) {
  return uri.substr(0, std::min({uri.find('?'), uri.find("$is_args"), uri.find("${is_args}")}));
}

}  // namespace

Value uri_of(const Spot* spot, Variables& variables) {
  if (spot == nullptr) return *builtin("uri");
  const Directive& location = *spot->block;
  const std::string& key = key_of(location);
  if (!is_pattern_location(location)) {
    if (location.arguments.size() == 2 && location.arguments[0] == "=") return constant(key);
    return concatenated(constant(key), rest_of_url());
  }
  const Pattern& pattern = variables.pattern(key, location.place);
  std::string prefix;
  if (pattern.at_start && location.arguments[0] == "~") prefix = pattern.prefix;
  for (const Spot* around = spot->around; around != nullptr; around = around->around) {
    const std::string& outer = key_of(*around->block);
    if (!is_pattern_location(*around->block) && outer.size() > prefix.size()) prefix = outer;
  }
  if (prefix.empty()) return *builtin("uri");
  return concatenated(constant(prefix), rest_of_url());
}

std::vector<Lookup> lookups(const Scope& scope, const Value& uri, const Frame& frame,
                            Variables& variables) {
  std::vector<Lookup> found;
  if (scope.root == nullptr) return found;
  const Directive& root = *scope.root;
  const Value base = variables.of(root.arguments[0], frame, root.place);
  const Directive* location = root.name == "alias" ? scope.root_location : nullptr;
  if (location != nullptr && is_pattern_location(*location) &&
      root.arguments[0].find('$') != std::string::npos) {
    found.push_back({&root, base});  // it is the whole path
    return found;
  }
  const std::string prefix =
      location == nullptr || is_pattern_location(*location) ? "" : key_of(*location);
  const auto below = [&](const Value& path) {
    return concatenated(base, location == nullptr ? concatenated(constant("/"), path)
                                                  : without_prefix(path, prefix));
  };
  if (scope.try_files == nullptr) {
    found.push_back({&root, below(uri)});
    return found;
  }
  const auto& tried = scope.try_files->arguments;
  for (std::size_t i = 0; i + 1 < tried.size(); ++i) {
    found.push_back(
        {&root, below(variables.of(without_query(tried[i]), frame, scope.try_files->place))});
  }
  return found;
}

std::vector<Onward> onward(const Scope& scope, const Directive& block, const Frame& frame,
                           Variables& variables) {
  std::vector<Onward> found;
  const auto add = [&](const Directive& directive, const std::string& uri, bool after, bool early) {
    if (uri.starts_with('@')) {
      found.push_back({&directive, {}, uri, after, early});
    } else if (uri.starts_with('/') || uri.starts_with('$')) {
      found.push_back(
          {&directive, variables.of(without_query(uri), frame, directive.place), "", after, early});
    }
  };
  if (scope.try_files != nullptr) {
    add(*scope.try_files, scope.try_files->arguments.back(), true, true);
  }
  const bool rewrites = block.find("return") != nullptr || block.find("rewrite") != nullptr ||
                        block.find("if") != nullptr;
  for (const Directive* page : scope.all("error_page")) {
    if (page->arguments.size() < 2) continue;
    const bool only_missing =
        std::all_of(page->arguments.begin(), page->arguments.end() - 1,
                    [](const std::string& word) { return word == "404" || word.starts_with('='); });
    const bool early = std::any_of(page->arguments.begin(), page->arguments.end() - 1,
                                   [](const std::string& word) { return word.starts_with('4'); });
    const std::size_t before = found.size();
    add(*page, page->arguments.back(), only_missing && !rewrites, early);
    const bool failed = std::ranges::find(page->arguments, "495") != page->arguments.end();
    if (found.size() > before) found.back().is_certificates = failed;
  }
  if (const Directive* index = scope.find("index")) {
    for (const std::string& name : index->arguments) {
      if (name.starts_with('/')) add(*index, name, true, true);
    }
  }
  for (const std::string_view name : {"add_before_body", "add_after_body"}) {
    const Directive* body = scope.find(name);
    if (body != nullptr && !body->arguments.empty()) add(*body, body->arguments[0], true, true);
  }
  return found;
}

std::vector<Lookup> path_texts(const Scope& scope, const Directive& block, const Frame& frame,
                               Variables& variables) {
  std::vector<Lookup> found;
  const auto add = [&](const Directive& directive, const std::string& text, bool is_uri = false) {
    if (text.find('$') == text.npos) return;
    found.push_back(
        {&directive, variables.of(without_query(text), frame, directive.place), is_uri});
  };
  const std::string store = scope.word("proxy_store");
  if (hands_on(block)) {
    if (!store.empty() && store != "on" && store != "off") add(*scope.find("proxy_store"), store);
    return found;
  }
  if (scope.root != nullptr) add(*scope.root, scope.root->arguments[0]);
  for (const std::string_view name : {"ssl_certificate", "ssl_certificate_key"}) {
    const Directive* file = scope.find(name);
    if (file != nullptr && !file->arguments.empty()) add(*file, file->arguments[0]);
  }
  if (scope.try_files != nullptr) {
    for (const std::string& text : scope.try_files->arguments) {
      const bool is_last = &text == &scope.try_files->arguments.back();
      if (!text.starts_with("http")) add(*scope.try_files, text, is_last);
    }
  }
  for (const Directive* page : scope.all("error_page")) {
    if (page->arguments.size() < 2) continue;
    const std::string& uri = page->arguments.back();
    if (uri.starts_with('/') || uri.starts_with("$")) add(*page, uri, true);
  }
  if (const Directive* index = scope.find("index")) {
    for (const std::string& name : index->arguments) add(*index, name);
  }
  for (const Directive& directive : block.block) {
    if (directive.name == "if" && directive.arguments.size() >= 2 &&
        is_file_test(directive.arguments[0])) {
      std::string text = directive.arguments[1];
      if (text.ends_with(')')) text.pop_back();
      add(directive, text);
    }
  }
  return found;
}

}  // namespace grantctl::nginxconf
