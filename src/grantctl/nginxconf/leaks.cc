#include "grantctl/nginxconf/leaks.h"

#include <fmt/core.h>

#include <algorithm>

namespace grantctl::nginxconf {

namespace {

constexpr std::string_view kCombined =
    "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent "
    "\"$http_referer\" \"$http_user_agent\"";

std::string shown(const Directive& block) {
  if (block.name != "location") return "the server";
  return fmt::format("location {} (line {})", key_of(block), block.place.line);
}

/// Whether a variable from `source` holds the text that came in by `token`.
bool shows(const Source& source, const Source& token) {
  static const std::set<std::string> kWhole = {"request", "request_uri", "args", "query_string",
                                               "http_cookie"};
  if (source.first != token.first) return false;
  switch (token.first) {
    case Origin::kUrl:
      return true;
    case Origin::kArgument:
    case Origin::kCookie:
      return source.second == token.second || kWhole.contains(source.second) ||
             kWhole.contains(token.second);
    case Origin::kHeader:
      return source.second == token.second;
    default:
      return false;
  }
}

}  // namespace

Leaks::Leaks(const Directive& top, Variables& variables) : variables_(variables) {
  formats_["combined"] = kCombined;
  collect_formats(top);
}

void Leaks::collect_formats(const Directive& block) {
  for (const Directive& directive : block.block) {
    if (directive.name == "log_format" && directive.arguments.size() >= 2) {
      std::string& text = formats_[directive.arguments[0]];
      text.clear();
      for (std::size_t i = 1; i < directive.arguments.size(); ++i) text += directive.arguments[i];
    }
    if (directive.name == "http") collect_formats(directive);
  }
}

std::vector<Finding> Leaks::of_caches(const Scope& scope, const Directive& block) const {
  const Directive* cache = scope.find("open_file_cache");
  if (cache == nullptr || cache->arguments.empty() || cache->arguments[0] == "off") return {};
  return {{cache->place, "file-cache",
           fmt::format("open_file_cache counts for {}: it serves on after a revocation, without "
                       "asking grantfs",
                       shown(block)),
           "write in that location: open_file_cache off;"}};
}

std::optional<Finding> Leaks::of_error_log(const Scope& scope, const Directive& block) const {
  const auto& logs = scope.all("error_log");
  const Directive* loud = nullptr;
  for (const Directive* log : logs) {
    if (log->arguments.empty()) continue;
    const std::string level = log->arguments.size() > 1 ? log->arguments[1] : "error";
    if (log->arguments[0] != "/dev/null" && level != "emerg" && level != "alert") loud = log;
  }
  if (loud == nullptr && !logs.empty()) return std::nullopt;
  return Finding{
      loud != nullptr ? loud->place : block.place, "token-log",
      fmt::format("the error log of {} will hold paths, and the tokens in them", shown(block)),
      "write in that location: error_log /dev/null emerg;"};
}

bool Leaks::is_never_logged(const Directive& log, const std::string& prefix) {
  for (const std::string& word : log.arguments) {
    if (!word.starts_with("if=$")) continue;
    const auto names = variables_in(word);
    const auto value = names.empty() ? std::nullopt : variables_.for_urls_below(names[0], prefix);
    if (value && value->size() == 1) {
      const auto text = value->front().constant();
      if (text && (text->empty() || *text == "0")) return true;
    }
  }
  return false;
}

bool Leaks::leaks(const std::string& name, const std::string& prefix, const Sources& tokens,
                  const Place& place) {
  static const std::set<std::string_view> kPaths = {"request_filename", "document_root",
                                                    "realpath_root"};
  if (kPaths.contains(name)) return true;
  if (name == "http_referer") return has(tokens, Origin::kUrl) || has(tokens, Origin::kArgument);
  const auto masked = variables_.for_urls_below(name, prefix);
  const Frame nowhere;
  const Value value = masked ? *masked : variables_.of("${" + name + "}", nowhere, place);
  for (const Alternative& alternative : value) {
    for (const Piece& piece : alternative.text) {
      if (masked && piece.is_far_in) continue;
      for (const Source& source : piece.from) {
        if (std::ranges::any_of(tokens, [&](const Source& token) { return shows(source, token); }))
          return true;
      }
    }
  }
  return false;
}

std::string Leaks::first_leak(const std::string& format, const std::string& prefix,
                              const Sources& tokens, const Place& place) {
  const auto known = formats_.find(format);
  if (known == formats_.end()) return {};
  for (const std::string& name : variables_in(known->second)) {
    if (!variables_.step(place)) break;
    if (leaks(name, prefix, tokens, place)) return name;
  }
  return {};
}

std::vector<Finding> Leaks::of_tokens(const Scope& scope, const Directive& block,
                                      const std::string& prefix, const Sources& tokens) {
  std::vector<Finding> found = of_access_log(scope, block, prefix, tokens);
  if (auto log = of_error_log(scope, block)) found.push_back(std::move(*log));
  return found;
}

std::vector<Finding> Leaks::of_access_log(const Scope& scope, const Directive& block,
                                          const std::string& prefix, const Sources& tokens) {
  std::vector<Finding> found;
  const auto report = [&](const Place& place, const std::string& name) {
    found.push_back({place, "token-log",
                     fmt::format("the access log of {} will hold ${}, and the tokens in it",
                                 shown(block), name),
                     "write in that location: access_log off; or a log_format without it"});
  };
  const auto& logs = scope.all("access_log");
  if (logs.empty()) {
    const std::string name = first_leak("combined", prefix, tokens, block.place);
    if (!name.empty()) report(block.place, name);
  }
  for (const Directive* log : logs) {
    if (log->arguments.empty() || log->arguments[0] == "off" || log->arguments[0] == "/dev/null" ||
        is_never_logged(*log, prefix)) {
      continue;
    }
    const bool has_format =
        log->arguments.size() > 1 && log->arguments[1].find('=') == std::string::npos;
    const std::string name =
        first_leak(has_format ? log->arguments[1] : "combined", prefix, tokens, log->place);
    if (!name.empty()) report(log->place, name);
  }
  return found;
}

}  // namespace grantctl::nginxconf
