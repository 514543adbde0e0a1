#include "nginxconf/audit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <set>
#include <string_view>

#include "nginxconf/chosen.h"
#include "nginxconf/exposure.h"
#include "nginxconf/routes.h"
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
  const Directive* server = nullptr;
  const Directive* server_root = nullptr;  ///< what the server has from around it
  const Directive* location = nullptr;     ///< null: none
  bool behind_proxy = false;
  std::optional<Captures> captures;
  std::set<std::string> checked;  ///< compared with a pattern of plain names
  Chosen::Captured captured = Chosen::Captured::kNothing;
  std::set<std::string> matched;  ///< compared with what the visitor does not choose
};

/// Whether only a proxy's requests come here: the block says from where, or listens on this machine
/// alone.
bool is_behind_proxy(const Directive& block) {
  const Directive* deny = block.find("deny");
  if (block.find("allow") != nullptr && deny != nullptr && !deny->arguments.empty() &&
      deny->arguments[0] == "all") {
    return true;
  }
  bool listens = false;
  for (const Directive& directive : block.block) {
    if (directive.name != "listen" || directive.arguments.empty()) continue;
    const std::string& where = directive.arguments[0];
    listens = true;
    if (!where.starts_with("127.") && !where.starts_with("[::1]") && !where.starts_with("unix:") &&
        !where.starts_with("localhost")) {
      return false;
    }
  }
  return listens;
}

class Audit {
 public:
  Audit(const Directive& top, const std::string& mount)
      : variables_(top), chosen_(top, false), chosen_behind_proxy_(top, true) {
    if (!mount.empty()) mounts_.insert(with_slash(mount));
    collect_mounts(top, mounts_);
    Scope scope;
    scope.server = &top;  // of a file that is included in one
    walk(top, std::move(scope));
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
    for (const std::string& name : chosen_.matched_in(block)) scope.matched.insert(name);
    scope.behind_proxy = scope.behind_proxy || is_behind_proxy(block);
    if (block.name == "server") {
      scope.server = &block;
      scope.server_root = scope.root;
    }
    if (block.name == "location") scope.location = &block;
    for (const Directive& directive : block.block) {
      if (directive.name == "error_log") scope.error_log = &directive;
      if (directive.name == "open_file_cache") scope.open_file_cache = &directive;
      if (directive.name == "root" || directive.name == "alias") scope.root = &directive;
      if (directive.name == "try_files") scope.try_files = &directive;
    }
    for (const Directive& directive : block.block) {
      check_variables(directive, scope);
      check_target(directive, scope);
    }
    if (block.name == "location") check_location(block, scope);
    if (block.name == "server") check_server(block, scope);
    scope.try_files = nullptr;  // it is not inherited
    for (const Directive& directive : block.block) {
      if (!directive.has_block || directive.name == "map" || directive.name == "types") continue;
      Scope inner = scope;
      if (auto captures = variables_.captures_of(directive)) inner.captures = std::move(captures);
      const auto captured = chosen_.captured_by(directive);
      if (captured != Chosen::Captured::kNothing) inner.captured = captured;
      walk(directive, std::move(inner));
    }
  }

  void check_variables(const Directive& directive, const Scope& scope) {
    std::vector<std::string> paths;
    auto captures = scope.captures;
    const auto& arguments = directive.arguments;
    if (directive.name == "root" || directive.name == "alias" || directive.name == "try_files") {
      paths = arguments;
    } else if (directive.name == "error_page" && arguments.size() >= 2) {
      paths = {arguments.back()};
    } else if (directive.name == "rewrite" && arguments.size() >= 2) {
      if (redirects(directive)) return;
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

  /// A rewrite that tells the client to come again.
  static bool redirects(const Directive& rewrite) {
    const auto& arguments = rewrite.arguments;
    return arguments[1].starts_with("http://") || arguments[1].starts_with("https://") ||
           arguments[1].starts_with("$scheme") ||
           (arguments.size() > 2 && (arguments[2] == "redirect" || arguments[2] == "permanent"));
  }

  /// URIs that nginx goes to by itself: who he is must not be his choice there either.
  void check_target(const Directive& directive, const Scope& scope) {
    const auto& arguments = directive.arguments;
    std::string uri;
    auto captured = scope.captured;
    bool stays = false;  // in the location that it is in
    if (directive.name == "rewrite" && arguments.size() >= 2 && !redirects(directive)) {
      uri = arguments[1];
      captured = chosen_.captured_by(directive);
      stays = scope.location != nullptr && arguments.size() > 2 && arguments[2] == "break";
    } else if ((directive.name == "error_page" || directive.name == "try_files") &&
               arguments.size() >= 2) {
      uri = arguments.back();
    }
    if (!uri.starts_with('/') && !uri.starts_with('$')) return;  // @name, =404, http://...
    uri = with_single_slashes("/" + uri.substr(0, uri.find('?')));
    std::vector<std::string> paths;
    if (!stays) {
      paths = paths_of(uri, *scope.server, scope.server_root);
    } else if (scope.root != nullptr && !hands_on(*scope.location)) {  // a return is not reached
      paths = {path_in(uri, scope.location, *scope.root)};
    }
    for (const std::string& path : paths) check_chosen(directive, path, scope, captured);
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

  static bool serves_no_file(const Directive& block) {
    return answers_without_files(block) || block.find("internal") != nullptr;
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
    for (const std::string& place : reached) {
      const std::string looked_up = with_single_slashes(place);
      check_chosen(*scope.root, looked_up, scope, scope.captured);
      check_reached(*scope.root, looked_up);
    }
  }

  /// Who he is, out of what he sent: whoever asks is whoever he says.
  void check_chosen(const Directive& directive, const std::string& path, const Scope& scope,
                    Chosen::Captured captured) {
    const Chosen& chosen = scope.behind_proxy ? chosen_behind_proxy_ : chosen_;
    const auto found = exposure_in(path, mounts_, [&](const std::string& text) {
      return chosen.first_in(text, captured, scope.matched);
    });
    if (!found) return;
    report(directive.place, "exposed-view",
           fmt::format("{} {} leads to {}, where the visitor chooses {} by ${}", directive.name,
                       fmt::join(directive.arguments, " "), path, found->chooses, found->chosen),
           found->advice);
  }

  void check_reached(const Directive& directive, const std::string& path) {
    const std::string fixed = fixed_part(path);
    if (fixed == path) {
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
  Chosen chosen_;
  Chosen chosen_behind_proxy_;
  std::set<std::string> mounts_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> audit(const Directive& top, const std::string& mount) {
  return Audit(top, mount).take();
}

}  // namespace grantctl::nginxconf
