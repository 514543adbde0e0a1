#include <algorithm>

#include "grantctl/nginxconf/auditor.h"

namespace grantctl::nginxconf {

namespace {

constexpr unsigned kMostRedirects = 4;  // nginx allows ten; each is a location of its own

}  // namespace

void Auditor::go_on(const Visit& visit, const Sources& tokens) {
  for (const Onward& next : onward(visit.scope, visit.block, visit.frame, variables_)) {
    Departure departure{
        visit.site,
        visit.frame,
        next.directive,
        {next.is_after_access ? &visit.access : nullptr, false, false, false, next.is_certificates},
        next.is_early ? tokens : Sources(),
        visit.depth};
    if (next.name.empty()) {
      follow_uri(next.uri, departure);
    } else {
      departure.prefix = prefix_of(visit.spot);
      follow_name(next.name, visit.uri, departure);
    }
  }
  for (const Directive* header : visit.scope.all("add_header")) {
    if (header->arguments.size() < 2 || header->arguments[0] != "X-Accel-Redirect") continue;
    const Value uri = variables_.of(header->arguments[1], visit.frame, header->place);
    for (const Site& site : map_.sites()) {
      follow_uri(uri, {site, visit.frame, header, {}, {}, visit.depth});
    }
  }
}

void Auditor::follow_name(const std::string& name, const Value& uri, const Departure& departure) {
  if (!variables_.step_over(departure.site.spots.size(), departure.via->place)) return;
  for (const Spot& spot : departure.site.spots) {
    if (key_of(*spot.block) == name) arrive(spot, uri, departure);
  }
}

void Auditor::follow_uri(const Value& uri, const Departure& departure) {
  for (const Alternative& alternative : uri) {
    const bool has_literal = !alternative.text.empty() && alternative.text[0].is_literal;
    const std::string fixed = has_literal ? alternative.text[0].literal : "";
    const bool is_constant = alternative.constant().has_value();
    const Spot* longest = nullptr;
    if (!variables_.step_over(departure.site.spots.size(), departure.via->place)) return;
    for (const Spot& spot : departure.site.spots) {
      if (is_named_location(*spot.block)) continue;
      const std::string& key = key_of(*spot.block);
      if (is_pattern_location(*spot.block)) {
        arrive_at_pattern(spot, alternative, departure);
      } else if (fixed.starts_with(key)) {
        const bool is_exact = spot.block->arguments.front() == "=";
        if (is_exact && !(is_constant && fixed == key)) continue;
        if (longest == nullptr || key.size() >= key_of(*longest->block).size()) longest = &spot;
      } else if (!is_constant && key.starts_with(fixed)) {
        arrive_further(spot, alternative, fixed, departure);
      }
    }
    if (longest != nullptr) arrive(*longest, {alternative}, departure);
  }
}

void Auditor::arrive_at_pattern(const Spot& spot, const Alternative& uri,
                                const Departure& departure) {
  const Pattern& pattern = variables_.pattern(key_of(*spot.block), spot.block->place);
  const std::string fixed = !uri.text.empty() && uri.text[0].is_literal ? uri.text[0].literal : "";
  const auto length = std::min(fixed.size(), pattern.prefix.size());
  const bool is_other = pattern.at_start && spot.block->arguments[0] == "~" &&
                        fixed.substr(0, length) != pattern.prefix.substr(0, length);
  if (!is_other) arrive(spot, {uri}, departure);
}

void Auditor::arrive_further(const Spot& spot, const Alternative& uri, const std::string& fixed,
                             const Departure& departure) {
  const std::string& key = key_of(*spot.block);
  Alternative rest = uri;
  if (!fixed.empty()) rest.text.erase(rest.text.begin());
  const Language language = rest.language();
  const bool may_be = std::all_of(key.begin() + static_cast<std::ptrdiff_t>(fixed.size()),
                                  key.end(), [&](char c) { return language.may_hold(c); });
  if (!may_be) return;
  Alternative there = uri;
  Piece further = rest.text.front();
  further.language.begins_with_slash = false;
  further.language.may_be_empty = true;
  there.text = {Piece::constant(key), further};
  arrive(spot, {there}, departure);
}

void Auditor::arrive(const Spot& spot, const Value& uri, const Departure& departure) {
  check_access_log(spot.scope, *spot.block, departure);
  // Other locations are open to visitors directly, and are judged by themselves.
  const bool is_open = !spot.scope.is_internal && !departure.passed.certificate_failed;
  if (is_open || departure.depth == kMostRedirects) return;
  const Frame before = entry(spot, uri, departure.frame);
  Outcome outcome = run_rewriting(*spot.block, before, variables_);
  visit_block(departure.site, spot, uri, outcome, departure.via, departure.passed,
              departure.depth + 1);
}

void Auditor::check_access_log(const Scope& scope, const Directive& block,
                               const Departure& departure) {
  if (departure.tokens.empty()) return;
  for (Finding& finding : leaks_.of_access_log(scope, block, departure.prefix, departure.tokens)) {
    report(std::move(finding));
  }
}

}  // namespace grantctl::nginxconf
