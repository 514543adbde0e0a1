#include "nginxconf/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <string_view>

#include "nginxconf/variables.h"

namespace grantctl::nginxconf {

namespace {

/// Views whose next component says who asks. Of those in kKeptSecret it is a token.
constexpr std::array<std::string_view, 9> kViews = {"/by-session/",   "/by-user/", "/by-link/",
                                                    "/by-signature/", "/by-md5/",  "/by-uid/",
                                                    "/by-process/",   "/from/",    "/expired/"};
constexpr std::array<std::string_view, 5> kKeptSecret = {"/by-session/", "/by-link/",
                                                         "/by-signature/", "/by-md5/", "/from/"};
/// Of these the visitor himself must not choose the next component.
constexpr std::array<std::string_view, 5> kChosenByServer = {"/by-session/", "/by-user/",
                                                             "/by-uid/", "/by-process/", "/from/"};

std::string with_slash(std::string path) {
  if (!path.ends_with('/')) path += '/';
  return path;
}

/// What is there before the first variable.
std::string fixed_part(const std::string& path) {
  return path.substr(0, path.find('$'));
}

bool mentions(const std::string& path, const auto& views) {
  return std::ranges::any_of(
      views, [&path](std::string_view view) { return path.find(view) != std::string::npos; });
}

void collect_mounts(const Directive& block, std::set<std::string>& mounts) {
  for (const Directive& directive : block.block) {
    if ((directive.name == "root" || directive.name == "alias") && !directive.arguments.empty()) {
      const std::string path = with_slash(directive.arguments[0]);
      for (const std::string_view view : kViews) {
        // Other trees have a folder named "from" or "expired" too.
        const auto at = path.find(view);
        if (view.starts_with("/by-") && at != path.npos && at > 0)
          mounts.insert(path.substr(0, at + 1));
      }
    }
    collect_mounts(directive, mounts);
  }
}

/// What a block has from those around it.
struct Scope {
  const Directive* root = nullptr;  ///< root or alias
  const Directive* error_log = nullptr;
  const Directive* open_file_cache = nullptr;
  const Directive* try_files = nullptr;
  std::optional<Captures> captures;
  std::set<std::string> checked;
};

class Audit {
 public:
  Audit(const Directive& top, const std::string& mount) : variables_(top) {
    if (!mount.empty()) mounts_.insert(with_slash(mount));
    collect_mounts(top, mounts_);
    walk(top, Scope());
  }

  std::vector<Finding> take() { return std::move(findings_); }

 private:
  void report(const Place& place, std::string rule, std::string what, std::string advice) {
    const bool known = std::ranges::any_of(findings_, [&](const Finding& finding) {
      return finding.place.file == place.file && finding.place.line == place.line &&
             finding.rule == rule && finding.what == what;
    });
    if (!known) findings_.push_back({place, std::move(rule), std::move(what), std::move(advice)});
  }

  bool is_under_mount(const std::string& path) const {
    return std::ranges::any_of(
        mounts_, [&](const std::string& mount) { return with_slash(path).starts_with(mount); });
  }

  void walk(const Directive& block, Scope scope) {
    for (const std::string& name : checked_in(block)) scope.checked.insert(name);
    for (const Directive& directive : block.block) {
      if (directive.name == "error_log") scope.error_log = &directive;
      if (directive.name == "open_file_cache") scope.open_file_cache = &directive;
      if (directive.name == "root" || directive.name == "alias") scope.root = &directive;
      if (directive.name == "try_files") scope.try_files = &directive;
    }
    for (const Directive& directive : block.block) check_variables(directive, scope);
    if (block.name == "location") check_location(block, scope);
    if (block.name == "server") check_server(block, scope);
    scope.try_files = nullptr;  // it is not inherited
    for (const Directive& directive : block.block) {
      if (!directive.has_block || directive.name == "map" || directive.name == "types") continue;
      Scope inner = scope;
      if (auto captures = variables_.captures_of(directive)) inner.captures = std::move(captures);
      walk(directive, std::move(inner));
    }
  }

  void check_variables(const Directive& directive, const Scope& scope) {
    std::vector<std::string> paths;
    auto captures = scope.captures;
    const auto& arguments = directive.arguments;
    if (directive.name == "root" || directive.name == "alias" || directive.name == "try_files") {
      paths = arguments;
    } else if (directive.name == "rewrite" && arguments.size() >= 2) {
      const bool redirects =
          arguments[1].starts_with("http://") || arguments[1].starts_with("https://") ||
          arguments[1].starts_with("$scheme") ||
          (arguments.size() > 2 && (arguments[2] == "redirect" || arguments[2] == "permanent"));
      if (redirects) return;
      paths = {arguments[1]};
      captures = variables_.captures_of(directive);
    } else if (directive.name == "if" && arguments.size() >= 2 && is_file_test(arguments[0])) {
      paths = {arguments[1]};
    }
    for (const std::string& path : paths) {
      // Behind a '?' it is a query, not a path.
      const auto name =
          variables_.unchecked_in(path.substr(0, path.find('?')), captures, scope.checked);
      if (!name) continue;
      report(directive.place, "unchecked-variable",
             fmt::format("{} takes ${}, which the client chooses: with \"../\" in it, it leads to "
                         "any file that nginx may read",
                         directive.name, *name),
             how_to_check(*name));
    }
  }

  static std::string how_to_check(const std::string& name) {
    if (std::isdigit(static_cast<unsigned char>(name.front())) != 0) {
      return "capture letters and digits alone, or what begins right behind a '/'";
    }
    return fmt::format(
        "take it through a map that lets in a pattern only: map ${} $checked {{ default _anon; "
        "\"~^(?<token>[A-Za-z0-9_-]{{16,255}})$\" $token; }}",
        name);
  }

  static bool is_file_test(const std::string& word) {
    const auto at = word.find('-');
    return word.starts_with('(') && at != word.npos && at <= 2 && at + 2 == word.size();
  }

  /// Nothing of this block's is read from a path by its own: it answers, or hands on.
  static bool serves_no_file(const Directive& block) {
    static constexpr std::array<std::string_view, 8> kOthers = {
        "return",    "proxy_pass", "fastcgi_pass",   "uwsgi_pass",
        "scgi_pass", "grpc_pass",  "memcached_pass", "internal"};
    if (std::ranges::any_of(kOthers, [&](auto name) { return block.find(name) != nullptr; }))
      return true;
    const Directive* deny = block.find("deny");
    return deny != nullptr && block.find("allow") == nullptr && !deny->arguments.empty() &&
           deny->arguments[0] == "all";
  }

  void check_server(const Directive& server, const Scope& scope) {
    const bool covered = std::ranges::any_of(server.block, [](const Directive& directive) {
      return directive.name == "location" && !directive.arguments.empty() &&
             directive.arguments.back() == "/" && directive.arguments.front() != "=";
    });
    if (covered || serves_no_file(server) || scope.root == nullptr) return;
    check_served(scope, "/");
  }

  void check_location(const Directive& location, const Scope& scope) {
    const auto& arguments = location.arguments;
    if (arguments.empty() || scope.root == nullptr || scope.root->arguments.empty()) return;
    const std::string& path = scope.root->arguments[0];
    const bool is_pattern = arguments[0].starts_with('~');
    const bool is_prefix =
        (arguments.size() == 1 && !is_pattern && !arguments[0].starts_with('@')) ||
        arguments[0] == "^~";
    const bool is_own_alias = location.find("alias") == scope.root;
    if (is_own_alias && is_prefix) check_slashes(location, *scope.root);
    if (serves_no_file(location)) return;
    check_served(scope, is_pattern && !arguments[0].starts_with("^~") ? "" : arguments.back());
    const std::string shown =
        scope.root->name == "root" && is_prefix ? path + arguments.back() : path;
    if (is_under_mount(fixed_part(path)) || is_under_mount(fixed_part(shown))) {
      check_cache(location, scope);
      if (mentions(with_slash(shown), kKeptSecret)) check_log(location, scope);
    }
  }

  void check_slashes(const Directive& location, const Directive& alias) {
    const std::string& prefix = location.arguments.back();
    const std::string& path = alias.arguments[0];
    if (!prefix.ends_with('/') && path.ends_with('/')) {
      report(location.place, "off-by-slash",
             fmt::format("location {0} does not end in '/', but its alias {1} does: \"{0}../\" "
                         "leads out of it",
                         prefix, path),
             fmt::format("write: location {}/", prefix));
    } else if (prefix.ends_with('/') && !path.ends_with('/') && is_under_mount(fixed_part(path))) {
      report(alias.place, "off-by-slash",
             fmt::format("location {} ends in '/', but its alias {} does not: what follows is "
                         "taken for the rest of that name",
                         prefix, path),
             fmt::format("write: alias {}/;", path));
    }
  }

  /// Where the requests of a location may lead, up to the first variable.
  void check_served(const Scope& scope, const std::string& prefix) {
    const std::string& path = scope.root->arguments[0];
    std::vector<std::string> reached;
    if (scope.try_files != nullptr && scope.root->name == "root") {
      const auto& tried = scope.try_files->arguments;
      for (std::size_t i = 0; i + 1 < tried.size(); ++i) {
        reached.push_back(path + (tried[i].starts_with("$uri") ? prefix : tried[i]));
      }
    } else {
      reached.push_back(scope.root->name == "root" && !prefix.starts_with('@') ? path + prefix
                                                                               : path);
    }
    for (std::string& place : reached) {
      for (auto at = place.find("//"); at != place.npos; at = place.find("//")) place.erase(at, 1);
      check_reached(*scope.root, place);
    }
  }

  /// A user's name out of the URL: whoever asks is whoever he says.
  void check_user(const Directive& directive, const std::string& path) {
    for (const std::string& mount : mounts_) {
      const std::string captured = mount + "by-user/$";
      if (!path.starts_with(captured) || path.size() == captured.size() ||
          std::isdigit(static_cast<unsigned char>(path[captured.size()])) == 0) {
        continue;
      }
      report(
          directive.place, "exposed-view",
          fmt::format("{} {} takes the user from the URL: a visitor writes any user's name there",
                      directive.name, directive.arguments[0]),
          fmt::format("serve {}by-user/$checked/, checked against $remote_user by a map", mount));
    }
  }

  void check_reached(const Directive& directive, const std::string& path) {
    check_user(directive, path);
    const std::string fixed = fixed_part(path);
    if (fixed == path || fixed + "$uri" == path || fixed + "$document_uri" == path) {
      const std::string folder = with_slash(fixed);
      for (const std::string& mount : mounts_) {
        const bool above = mount.starts_with(folder);
        const bool view = std::ranges::any_of(kChosenByServer, [&](auto name) {
          return folder == mount + std::string(name.substr(1));
        });
        if (!above && !view) continue;
        report(directive.place, "exposed-view",
               fmt::format(
                   "{} {} serves {}: a visitor writes any session or user into the URL himself",
                   directive.name, directive.arguments[0],
                   above ? "the mount's top, by-session/ and all" : "the view as a whole"),
               fmt::format("serve {}public/, or {}by-session/$checked/ with a checked token", mount,
                           mount));
        return;
      }
    }
  }

  void check_cache(const Directive& location, const Scope& scope) {
    const Directive* cache = scope.open_file_cache;
    if (cache == nullptr || cache->arguments.empty() || cache->arguments[0] == "off") return;
    report(cache->place, "file-cache",
           fmt::format("open_file_cache counts for location {} (line {}): it serves on after a "
                       "revocation, without asking grantfs",
                       location.arguments.back(), location.place.line),
           "write in that location: open_file_cache off;");
  }

  void check_log(const Directive& location, const Scope& scope) {
    const Directive* log = scope.error_log;
    if (log != nullptr && !log->arguments.empty()) {
      const std::string& level = log->arguments.size() > 1 ? log->arguments[1] : "error";
      if (log->arguments[0] == "/dev/null" || level == "emerg" || level == "alert") return;
    }
    report(log != nullptr ? log->place : location.place, "token-log",
           fmt::format("the error log of location {} (line {}) will hold paths, and the tokens in "
                       "them",
                       location.arguments.back(), location.place.line),
           "write in that location: error_log /dev/null emerg;");
  }

  Variables variables_;
  std::set<std::string> mounts_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> audit(const Directive& top, const std::string& mount) {
  return Audit(top, mount).take();
}

}  // namespace grantctl::nginxconf
