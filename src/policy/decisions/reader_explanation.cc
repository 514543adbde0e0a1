// decide(), with reasons; see reader.h.
#include <utility>

#include "policy/decisions/reader.h"
#include "policy/decisions/reader_impl.h"

namespace grantfs {

Result<std::vector<Rule>> Reader::rules_at(const Holding& holding, std::string_view path,
                                           Timestamp now) {
  std::vector<Rule> rules;
  auto principal = Principal::parse(holding.principal);
  if (!principal) return damaged(options_.database, principal.error().message);
  const std::string_view spelt = StorePath::spelling_of(path);
  auto store_path = StorePath::parse(spelt);
  if (!store_path) return damaged(options_.database, store_path.error().message);
  db::Rows owner = statements_.owner_at.run(spelt);
  auto owned = owner.next();
  if (!owned) return owned.error();
  if (*owned && owner.text(0) == holding.principal) {
    rules.push_back({Rule::Kind::kOwner, *principal, *store_path, std::nullopt});
  }
  db::Rows grant = statements_.grant_at.run(holding.principal, spelt);
  auto granted = grant.next();
  if (!granted) return granted.error();
  if (*granted) {
    rules.push_back(
        {Rule::Kind::kGrant, *principal, *store_path, to_expiry(grant.maybe_integer(0))});
  }
  if (source_ != nullptr) {
    auto rule = source_->allow(holding.principal, path, now);
    if (!rule) return rule.error();
    if (*rule) rules.push_back({Rule::Kind::kSource, *principal, *store_path, (*rule)->expires});
  }
  return rules;
}

Result<Explanation> Reader::explain(const Identity& identity, const StorePath& path) {
  auto held = snapshot();
  if (!held) return held.error();
  const Timestamp now = options_.clock();
  if (const auto* bearer = std::get_if<SignatureBearer>(&identity)) {
    return explain_signature(*bearer, path, now);
  }
  Explanation result;
  auto who = holdings(identity, now, Expired::kFollow, &result);
  if (!who) return who.error();

  for (const std::string_view ancestor : path.self_and_ancestors()) {
    for (const Holding& holding : *who) {
      auto rules = rules_at(holding, ancestor, now);
      if (!rules) return rules.error();
      for (Rule& rule : *rules) {
        if (!holding.live || !is_live(rule.expires, now)) {
          result.expired.push_back(std::move(rule));
        } else if (!result.rule) {
          result.rule = std::move(rule);
          for (const Holding* step = &holding;; step = &(*who)[step->via]) {
            auto principal = Principal::parse(step->principal);
            if (!principal) return damaged(options_.database, principal.error().message);
            result.membership.insert(result.membership.begin(), std::move(*principal));
            if (step == &(*who)[step->via]) break;
          }
        }
      }
    }
    const std::string_view spelt = StorePath::spelling_of(ancestor);
    db::Rows owner = statements_.owner_at.run(spelt);
    auto owned = owner.next();
    if (!owned) return owned.error();
    if (*owned && !result.owner) {
      auto principal = Principal::parse(owner.text(0));
      auto owned_path = StorePath::parse(spelt);
      if (!principal) return damaged(options_.database, principal.error().message);
      if (!owned_path) return damaged(options_.database, owned_path.error().message);
      result.owner = Rule{Rule::Kind::kOwner, *principal, *owned_path, std::nullopt};
    }
  }

  if (who->empty()) {
    result.access = Access::kClosed;
  } else if (result.link) {
    std::erase_if(*who, [](const Holding& holding) { return !holding.live; });
    auto decision = by_link(*result.link, *who, path, now);
    if (!decision) return decision.error();
    result.access = decision->access;
    if (!result.link->path.covers(path)) result.expired.clear();
    if (result.access != Access::kRead) result.rule.reset();
  } else if (result.rule) {
    result.access = Access::kRead;
  } else {
    std::erase_if(*who, [](const Holding& holding) { return !holding.live; });
    auto below = passage(*who, path, now);
    if (!below) return below.error();
    result.access = *below ? Access::kPassage : Access::kNone;
  }
  return result;
}

}  // namespace grantfs
