#include <fmt/core.h>

#include <algorithm>

#include "grantctl/nginxconf/auditor.h"
#include "grantctl/nginxconf/builtins.h"
#include "grantctl/nginxconf/programs.h"

namespace grantctl::nginxconf {

void Auditor::serve(const Visit& visit) {
  if (!variables_.step(visit.block.place)) return;
  const Directive& answering = visit.spot == nullptr ? visit.block : *visit.spot->block;
  if (visit.access.refuses_all()) return;
  const bool stays = visit.via != nullptr && visit.via->name == "rewrite";
  if (hands_on(answering) || hands_on(visit.block)) {
    if (!stays) check_texts(visit);
    judge_handing_on(visit);
    go_on(visit, {});
    return;
  }
  if (!stays) check_texts(visit);
  Judgement all;
  for (const Lookup& lookup : lookups(visit.scope, visit.uri, visit.frame, variables_)) {
    for (const Alternative& path : lookup.path) judge_path(visit, lookup, path, all);
  }
  if (all.is_in_mount) judge_mount(visit, all);
  judge_includes(visit, all);
  go_on(visit, all.tokens);
}

void Auditor::judge_path(const Visit& visit, const Lookup& lookup, const Alternative& path,
                         Judgement& all) {
  if (!variables_.step(lookup.directive->place)) return;
  std::vector<Links::Way> ways = {{path.text, ""}};
  const auto real = resolved(path.text, folder_);
  if (real != path.text) ways.push_back({real, ""});
  for (Links::Way& way : links_.through(real)) ways.push_back(std::move(way));
  for (const Links::Way& way : ways) {
    if (!variables_.step(lookup.directive->place)) return;
    Judgement judgement = judge({way.path}, trees_, visit.access);
    all.is_in_mount = all.is_in_mount || judgement.is_in_mount;
    all.is_private = all.is_private || judgement.is_private;
    std::size_t shadowed = 0;
    for (Fault& fault : judgement.faults) {
      if (!way.link.empty())
        fault.only_below = way.link + (fault.only_below.empty() ? "/" : fault.only_below);
      if (is_answered_elsewhere(visit, fault)) {
        ++shadowed;
        continue;
      }
      report_fault(visit.via != nullptr ? *visit.via : *lookup.directive, fault);
    }
    if (shadowed > 0 && shadowed == judgement.faults.size()) continue;
    all.tokens.insert(judgement.tokens.begin(), judgement.tokens.end());
  }
}

bool Auditor::is_answered_elsewhere(const Visit& visit, const Fault& fault) {
  if (fault.only_below.empty() || visit.via != nullptr) return false;
  // Without merging of slashes, "//mnt/" is another location for the same file.
  if (visit.scope.word("merge_slashes") == "off") return false;
  std::string url = fault.only_below;
  std::size_t own = 0;
  if (visit.spot != nullptr) {
    if (is_pattern_location(*visit.spot->block)) return false;
    std::string key = key_of(*visit.spot->block);
    own = key.size();
    if (key.ends_with('/')) key.pop_back();
    url.insert(0, key);
  }
  if (!variables_.step_over(visit.site.spots.size(), visit.block.place)) return false;
  const bool takes_all = visit.spot != nullptr && visit.spot->block->arguments.front() == "^~";
  return std::ranges::any_of(visit.site.spots, [&](const Spot& other) {
    if (&other == visit.spot) return false;
    const std::string& key = key_of(*other.block);
    if (is_pattern_location(*other.block)) {
      std::string plain = key.substr(key.starts_with('^') ? 1 : 0);
      std::erase(plain, '\\');
      return !takes_all && key.starts_with('^') &&
             variables_.pattern(key, other.block->place).prefix == plain && url.starts_with(plain);
    }
    return other.block->arguments.front() != "=" && !is_named_location(*other.block) &&
           key.size() > own && url.starts_with(key);
  });
}

void Auditor::judge_mount(const Visit& visit, const Judgement& judgement) {
  report_.serves_mount = true;
  for (Finding& finding : leaks_.of_caches(visit.scope, visit.block)) report(std::move(finding));
  if (judgement.is_private) private_sites_.insert(&visit.site);
  check_logs(visit.scope, visit.block, visit.spot, judgement.tokens);
  if (!visit.scope.is_on("ssi")) return;
  report({visit.scope.find("ssi")->place, "ssi",
          fmt::format("ssi counts for files of the mount ({} in line {}): a page that somebody "
                      "uploaded includes whatever nginx may serve, internal locations too",
                      visit.block.name, visit.block.place.line),
          "write in that location: ssi off;"});
}

void Auditor::check_logs(const Scope& scope, const Directive& block, const Spot* spot,
                         const Sources& tokens) {
  if (tokens.empty()) return;
  for (Finding& finding : leaks_.of_tokens(scope, block, prefix_of(spot), tokens)) {
    report(std::move(finding));
  }
}

void Auditor::judge_includes(const Visit& visit, const Judgement& judgement) {
  if (visit.scope.is_on("ssi") && !judgement.is_in_mount) {
    follow_uri(*builtin("uri"),
               {visit.site, visit.frame, visit.scope.find("ssi"), {}, {}, visit.depth});
  }
  for (const Directive* program : programs_that_go_on(visit.block)) {
    follow_uri(*builtin("uri"), {visit.site, visit.frame, program, {}, {}, visit.depth});
  }
}

void Auditor::judge_handing_on(const Visit& visit) {
  judge_includes(visit, {});
  for (const std::string_view name : {"proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass"}) {
    const Directive* pass = visit.block.find(name);
    if (pass == nullptr || pass->arguments.empty()) continue;
    for (const Alternative& url : variables_.of(pass->arguments[0], visit.frame, pass->place)) {
      if (is_named_by_visitor(url, visit.access)) {
        follow_uri(*builtin("uri"), {visit.site, visit.frame, pass, {}, {}, visit.depth});
      }
    }
  }
}

std::string Auditor::prefix_of(const Spot* spot) {
  const bool has_prefix =
      spot != nullptr && !is_pattern_location(*spot->block) && !is_named_location(*spot->block);
  return has_prefix ? key_of(*spot->block) : "";
}

}  // namespace grantctl::nginxconf
