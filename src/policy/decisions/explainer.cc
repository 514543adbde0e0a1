#include "policy/decisions/explainer.h"

#include <algorithm>
#include <utility>

#include "db/rows.h"
#include "values/expiry.h"

namespace grantfs {
namespace {

// Whoever the owner is: for explanations alone.
constexpr std::string_view kOwnerAt = "SELECT principal FROM owners WHERE path = ?1";
constexpr std::string_view kGrantAt =
    "SELECT expires FROM grants WHERE principal = ?1 AND path = ?2";

}  // namespace

Explainer::Explainer(DecisionDatabase& database, Identities& identities, Rules& rules,
                     db::Preparer& prepare)
    : database_(database),
      identities_(identities),
      rules_(rules),
      owner_at_(prepare(kOwnerAt)),
      grant_at_(prepare(kGrantAt)) {}

std::vector<std::string_view> Explainer::statements() {
  return {kOwnerAt, kGrantAt};
}

Result<std::vector<Rule>> Explainer::rules_at(const Holding& holding, std::string_view path,
                                              Timestamp now) {
  std::vector<Rule> rules;
  auto principal = Principal::parse(holding.principal);
  if (!principal) return database_.damaged(principal.error().message);
  const std::string_view spelt = StorePath::spelling_of(path);
  auto store_path = StorePath::parse(spelt);
  if (!store_path) return database_.damaged(store_path.error().message);
  db::Rows owner = owner_at_.run(spelt);
  auto owned = owner.next();
  if (!owned) return owned.error();
  if (*owned && owner.text(0) == holding.principal) {
    rules.push_back({Rule::Kind::kOwner, *principal, *store_path, std::nullopt});
  }
  db::Rows grant = grant_at_.run(holding.principal, spelt);
  auto granted = grant.next();
  if (!granted) return granted.error();
  if (*granted) {
    rules.push_back(
        {Rule::Kind::kGrant, *principal, *store_path, to_expiry(grant.maybe_integer(0))});
  }
  if (database_.source() != nullptr) {
    auto rule = database_.source()->allow(holding.principal, path, now);
    if (!rule) return rule.error();
    if (*rule) rules.push_back({Rule::Kind::kSource, *principal, *store_path, (*rule)->expires});
  }
  return rules;
}

Result<std::vector<Principal>> Explainer::way_to(const Holdings& holdings,
                                                 const Holding& last) const {
  std::vector<Principal> way;
  for (const Holding* step = &last;; step = &holdings[step->via]) {
    auto principal = Principal::parse(step->principal);
    if (!principal) return database_.damaged(principal.error().message);
    way.insert(way.begin(), std::move(*principal));
    if (step == &holdings[step->via]) return way;
  }
}

Result<void> Explainer::add_rules(Explanation& result, const Holdings& holdings,
                                  std::string_view path, Timestamp now) {
  for (const Holding& holding : holdings) {
    auto rules = rules_at(holding, path, now);
    if (!rules) return rules.error();
    for (Rule& rule : *rules) {
      if (!holding.live || !is_live(rule.expires, now)) {
        result.expired.push_back(std::move(rule));
      } else if (!result.rule) {
        result.rule = std::move(rule);
        auto way = way_to(holdings, holding);
        if (!way) return way.error();
        result.membership = std::move(*way);
      }
    }
  }
  return {};
}

Result<void> Explainer::add_owner(Explanation& result, std::string_view path) {
  const std::string_view spelt = StorePath::spelling_of(path);
  db::Rows owner = owner_at_.run(spelt);
  auto owned = owner.next();
  if (!owned) return owned.error();
  if (!*owned || result.owner) return {};
  auto principal = Principal::parse(owner.text(0));
  auto owned_path = StorePath::parse(spelt);
  if (!principal) return database_.damaged(principal.error().message);
  if (!owned_path) return database_.damaged(owned_path.error().message);
  result.owner = Rule{Rule::Kind::kOwner, *principal, *owned_path, std::nullopt};
  return {};
}

Result<Explanation> Explainer::explain(const Identity& identity, const StorePath& path,
                                       Timestamp now) {
  Explanation result;
  auto who = identities_.holdings(identity, now, Identities::Expired::kFollow, &result);
  if (!who) return who.error();
  for (const std::string_view ancestor : path.self_and_ancestors()) {
    if (auto added = add_rules(result, *who, ancestor, now); !added) return added.error();
    if (auto added = add_owner(result, ancestor); !added) return added.error();
  }
  if (auto done = conclude(result, std::move(*who), path, now); !done) return done.error();
  return result;
}

Result<void> Explainer::conclude(Explanation& result, Holdings holdings, const StorePath& path,
                                 Timestamp now) {
  if (holdings.empty()) {
    result.access = Access::kClosed;
    return {};
  }
  if (result.rule && !result.link) {
    result.access = Access::kRead;
    return {};
  }
  std::erase_if(holdings, [](const Holding& holding) { return !holding.live; });
  if (result.link) {
    auto decision = rules_.decide_by_link(*result.link, holdings, path, now);
    if (!decision) return decision.error();
    result.access = decision->access;
    if (!result.link->path.covers(path)) result.expired.clear();
    if (result.access != Access::kRead) result.rule.reset();
    return {};
  }
  auto below = rules_.passage(holdings, path, now);
  if (!below) return below.error();
  result.access = *below ? Access::kPassage : Access::kNone;
  return {};
}

}  // namespace grantfs
