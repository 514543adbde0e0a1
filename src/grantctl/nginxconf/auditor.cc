#include "grantctl/nginxconf/auditor.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <regex>
#include <string_view>

#include "grantctl/nginxconf/builtins.h"
#include "grantctl/nginxconf/programs.h"
#include "grantctl/nginxconf/slashes.h"

namespace grantctl::nginxconf {

namespace {

/// The directives whose files decide who a visitor is.
constexpr std::array<std::string_view, 11> kAuthorities = {
    "auth_basic_user_file",      "auth_jwt_key_file",       "auth_jwt_key_request",
    "ssl_client_certificate",    "ssl_trusted_certificate", "proxy_ssl_certificate",
    "proxy_ssl_certificate_key", "uwsgi_ssl_certificate",   "uwsgi_ssl_certificate_key",
    "grpc_ssl_certificate",      "grpc_ssl_certificate_key"};

/// The first directive whose path leads into by-user; null if there is none.
const Directive* first_by_user(const Directive& directive) {
  const bool leads_there = std::ranges::any_of(directive.arguments, [](std::string_view argument) {
    return argument.find("/by-user/") != argument.npos;
  });
  if (leads_there) return &directive;
  for (const Directive& inner : directive.block) {
    if (const Directive* found = first_by_user(inner)) return found;
  }
  return nullptr;
}

/// Whether std::regex, which backtracks, matches the pattern quickly: the pattern has few
/// repetitions, and none of a group.
bool is_matched_soon(std::string_view pattern) {
  constexpr std::string_view kRepeats = "*+?{";
  constexpr std::ptrdiff_t kMost = 2;
  const auto repeats = [&](char c) { return kRepeats.find(c) != std::string_view::npos; };
  if (std::ranges::count_if(pattern, repeats) > kMost) return false;
  const auto group = std::ranges::adjacent_find(
      pattern, [&](char before, char c) { return before == ')' && repeats(c); });
  return group == pattern.end();
}

}  // namespace

Auditor::Auditor(const Directive& top, std::vector<Tree> trees, Cost& cost)
    : top_(top),
      trees_(std::move(trees)),
      folder_(std::filesystem::path(top.place.file).parent_path()),
      variables_(top, cost),
      map_(top, variables_),
      leaks_(top, variables_) {}

Report Auditor::run() {
  for (const Site& site : map_.sites()) judge_site(site);
  judge_caches_in_front();
  report_.notes = notes_of_programs(top_);
  if (const Directive* by_user = first_by_user(top_)) {
    report_.notes.push_back({by_user->place,
                             "by-user is there with the mount option by_user=GROUP alone, GROUP "
                             "being one of those that nginx runs with"});
  }
  return std::move(report_);
}

void Auditor::report(Finding finding) {
  auto key = std::tuple(finding.place.file, finding.place.line, finding.rule, finding.what);
  if (known_.insert(std::move(key)).second) report_.findings.push_back(std::move(finding));
}

void Auditor::report_fault(const Directive& directive, const Fault& fault) {
  report({directive.place, fault.rule,
          fmt::format("{} {} leads {}", directive.name, fmt::join(directive.arguments, " "),
                      fault.what),
          fault.advice});
}

void Auditor::report_unchecked(const Directive& directive, const std::string& name) {
  const bool is_number = name.size() == 1 && name[0] >= '0' && name[0] <= '9';
  report({directive.place, "unchecked-variable",
          fmt::format("{} takes ${}, which the client chooses: with \"../\" in it, it leads to "
                      "any file that nginx may read",
                      directive.name, name),
          is_number ? std::string("capture letters and digits alone, or whole components, from a "
                                  "'/' to a '/' or the end")
                    : fmt::format("take it through a map that lets in a pattern only: map ${} "
                                  "$checked {{ default _anon; "
                                  "\"~^(?<token>[A-Za-z0-9_-]{{16,255}})$\" $token; }}",
                                  name)});
}

/// `site_of_uri`: the site that goes on with `value` as a URI; null if the value is a path.
void Auditor::check_text(const Directive& directive, const Value& value, const Access& access,
                         const Site* site_of_uri) {
  for (const Alternative& alternative : value) {
    const std::string name = unchecked_in(alternative, access);
    if (name.empty()) continue;
    if (site_of_uri != nullptr && is_handed_on(*site_of_uri, alternative)) continue;
    report_unchecked(directive, name);
  }
}

/// Whether another server is asked for the URI, whatever follows its constant beginning, as with
/// /index.php$request_uri. That is so if the first location with a pattern that may match the URI
/// surely matches it and hands it on.
bool Auditor::is_handed_on(const Site& site, const Alternative& uri) {
  constexpr std::size_t kLongest = 200;
  if (uri.text.empty() || !uri.text[0].is_literal || uri.text[0].literal.size() > kLongest) {
    return false;
  }
  // A control character stands for the rest of the URI, so that no $ matches before the rest.
  const bool goes_on_with_slash = uri.text.size() > 1 && uri.text[1].name == "request_uri";
  const std::string begin = uri.text[0].literal + (goes_on_with_slash ? "/" : "") + "\x01";
  for (const Spot& spot : site.spots) {
    if (!variables_.step(spot.block->place)) return false;
    const std::string& key = key_of(*spot.block);
    if (spot.block->arguments.front() == "^~" && begin.starts_with(key)) return false;
    if (!is_pattern_location(*spot.block) || key.size() > kLongest) continue;
    try {
      if (is_matched_soon(key) && std::regex_search(begin, std::regex(key))) {
        return hands_on(*spot.block);
      }
    } catch (const std::regex_error&) {
      return false;
    }
    // This pattern may match because of the rest of the URI.
    const bool is_harmless = hands_on(*spot.block) || spot.block->find("return") != nullptr;
    const Pattern& pattern = variables_.pattern(key, spot.block->place);
    const auto length = std::min(pattern.prefix.size(), begin.size() - 1);
    const bool is_other = pattern.at_start && spot.block->arguments[0] == "~" &&
                          pattern.prefix.substr(0, length) != begin.substr(0, length);
    if (!is_harmless && !is_other) return false;
  }
  return false;
}

void Auditor::judge_site(const Site& site) {
  Frame before;
  before.set("uri", *builtin("uri"));
  take_server_name(site, before);
  const Outcome outcome = run_rewriting(*site.server, before, variables_);
  const Access access(
      map_, site, site.scope, outcome.frame, variables_,
      {nullptr, outcome.is_guarded, outcome.is_signed, outcome.certificate_verified, false});
  for (const Target& target : outcome.targets) {
    check_text(*target.directive, target.uri, access, target.stays ? nullptr : &site);
    follow_uri(target.uri, {site, outcome.frame, target.directive, {}, {}, 0});
  }
  for (const Spot& spot : site.spots) {
    if (!variables_.step(spot.block->place)) return;
    judge_spot(site, spot, outcome);
  }
  const bool is_covered = std::ranges::any_of(site.spots, [](const Spot& spot) {
    return !is_pattern_location(*spot.block) && key_of(*spot.block) == "/" &&
           spot.block->arguments.front() != "=";
  });
  if (is_covered || outcome.is_answered) return;
  const Value uri = uri_of(nullptr, variables_);
  const Visit visit{site, nullptr, *site.server, site.scope, outcome.frame, uri, access};
  serve(visit);
}

void Auditor::take_server_name(const Site& site, Frame& frame) {
  for (const Directive* names : site.scope.all("server_name")) {
    for (const std::string& name : names->arguments) {
      if (!name.starts_with('~')) continue;
      // A server may also answer for a host that matches none of its names. Then the group is
      // empty.
      for (auto& [group, value] :
           variables_.captured(name.substr(1), *builtin("host"), names->place).named) {
        join(value, constant(""));
        frame.set(group, value);
      }
    }
  }
}

Frame Auditor::entry(const Spot& spot, const Value& uri, const Frame& before) {
  Frame frame(&before);
  frame.numbers = before.numbers;
  frame.set("uri", uri);
  frame.set("document_uri", uri);
  for (const Spot* around = spot.around; around != nullptr; around = around->around) {
    take_location_captures(*around, frame, /*with_numbers=*/false);
  }
  take_location_captures(spot, frame, /*with_numbers=*/true);
  return frame;
}

void Auditor::take_location_captures(const Spot& spot, Frame& frame, bool with_numbers) {
  if (!is_pattern_location(*spot.block)) return;
  const auto captured =
      variables_.captured(key_of(*spot.block), *builtin("uri"), spot.block->place);
  for (const auto& [name, value] : captured.named) frame.set(name, value);
  if (with_numbers) frame.numbers = captured.numbers;
}

void Auditor::take_subrequest(const Scope& scope, Frame& frame) {
  for (const Directive* set : scope.all("auth_request_set")) {
    if (set->arguments.size() != 2) continue;
    const std::string& name = set->arguments[0];
    frame.set(name.starts_with('$') ? name.substr(1) : name,
              variables_.of(set->arguments[1], frame, set->place));
  }
}

void Auditor::judge_spot(const Site& site, const Spot& spot, const Outcome& server) {
  if (auto finding = off_by_slash(spot, trees_)) report(std::move(*finding));
  const Value uri = uri_of(&spot, variables_);
  const Frame before = entry(spot, uri, server.frame);
  Outcome outcome = run_rewriting(*spot.block, before, variables_);
  outcome.certificate_verified = outcome.certificate_verified || server.certificate_verified;
  outcome.is_guarded = outcome.is_guarded || server.is_guarded;
  outcome.is_signed = outcome.is_signed || server.is_signed;
  visit_block(site, spot, uri, outcome, nullptr, {}, 0);
}

void Auditor::visit_block(const Site& site, const Spot& spot, const Value& uri, Outcome& outcome,
                          const Directive* via, const Passed& passed, unsigned depth) {
  take_subrequest(spot.scope, outcome.frame);
  const Passed ways{passed.before, outcome.is_guarded, outcome.is_signed,
                    outcome.certificate_verified, passed.certificate_failed};
  const Access access(map_, site, spot.scope, outcome.frame, variables_, ways);
  const Visit visit{site, &spot, *spot.block, spot.scope, outcome.frame, uri, access, via, depth};
  const bool is_reached = via != nullptr || !spot.scope.is_internal;
  if (outcome.is_answered) {
    if (is_reached) go_on(visit, {});
  } else if (is_reached) {
    serve(visit);
  } else if (!hands_on(*spot.block)) {
    check_texts(visit);
    check_unreached(visit);
  }
  for (const Target& target : outcome.targets) {
    check_text(*target.directive, target.uri, access, target.stays ? nullptr : &site);
    if (!target.stays) {
      if (is_reached) {
        follow_uri(target.uri, {site, outcome.frame, target.directive, passed, {}, depth});
      }
    } else if (is_reached) {
      stay(visit, target);
    }
  }
  for (const Variant& variant : outcome.variants) {
    if (!is_reached) break;
    const Scope inner = spot.scope.within(*variant.block);
    const Access inner_access(map_, site, inner, variant.frame, variables_, ways);
    serve({site, &spot, *variant.block, inner, variant.frame, uri, inner_access, via, depth});
  }
}

void Auditor::stay(const Visit& visit, const Target& target) {
  const Scope scope = target.inside == nullptr ? visit.scope : visit.scope.within(*target.inside);
  // nginx refuses an alias in a location with rewrite ... break.
  if (scope.root == nullptr || scope.root->name != "root") return;
  const Directive& block = target.inside == nullptr ? visit.block : *target.inside;
  serve({visit.site, visit.spot, block, scope, visit.frame, target.uri, visit.access,
         target.directive, visit.depth});
}

/// Checks paths that only an application may send nginx to. The application decides about them; but
/// the store must never be among them.
void Auditor::check_unreached(const Visit& visit) {
  for (const Lookup& lookup : lookups(visit.scope, visit.uri, visit.frame, variables_)) {
    for (const Alternative& path : lookup.path) {
      for (const auto& way : {path.text, resolved(path.text, folder_)}) {
        const Judgement judgement = judge({way}, trees_, visit.access);
        report_.serves_mount = report_.serves_mount || judgement.is_in_mount;
        for (const Fault& fault : judgement.faults) {
          if (fault.rule == "store-served") report_fault(*lookup.directive, fault);
        }
      }
    }
  }
}

void Auditor::check_authorities(const Visit& visit) {
  for (const std::string_view name : kAuthorities) {
    const Directive* directive = visit.scope.find(name);
    if (directive == nullptr || directive->arguments.empty()) continue;
    for (const Alternative& alternative :
         variables_.of(directive->arguments[0], visit.frame, directive->place)) {
      const Piece* chosen = visit.access.chosen_piece(alternative);
      if (chosen == nullptr) continue;
      report({directive->place, "unchecked-variable",
              fmt::format("{} takes ${}, by which the client has a say in who he is taken for: it "
                          "may name a file that he uploaded",
                          directive->name, chosen->name),
              "name one file, or have a map choose among constant ones"});
    }
  }
}

void Auditor::check_texts(const Visit& visit) {
  check_authorities(visit);
  for (const Lookup& text : path_texts(visit.scope, visit.block, visit.frame, variables_)) {
    check_text(*text.directive, text.path, visit.access, text.is_uri ? &visit.site : nullptr);
  }
}

void Auditor::judge_caches_in_front() {
  for (const Site& site : map_.sites()) {
    for (const Spot& spot : site.spots) {
      for (const std::string_view name : {"proxy_cache", "proxy_store"}) {
        const std::string word = spot.scope.word(name);
        if (word.empty() || word == "off" || !hands_on(*spot.block)) continue;
        for (const Site* behind : map_.behind(spot)) {
          if (!private_sites_.contains(behind)) continue;
          report({spot.scope.find(name)->place, "file-cache",
                  fmt::format("{} keeps what the server in line {} answers: it is served on after "
                              "a revocation, and to others",
                              name, behind->server->place.line),
                  fmt::format("write in that location: {} off;", name)});
        }
      }
    }
  }
}

}  // namespace grantctl::nginxconf
