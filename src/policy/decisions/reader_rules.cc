// What the rules say of a path, and what they say through a link; see reader.h.
#include "policy/decisions/reader.h"
#include "policy/decisions/reader_impl.h"
#include "values/path_range.h"

namespace grantfs {

Result<std::optional<Decision>> Reader::covered(const Holdings& holdings, const StorePath& path,
                                                Timestamp now) {
  using Answer = std::optional<Decision>;
  for (const std::string_view ancestor : path.self_and_ancestors()) {
    const std::string_view spelt = StorePath::spelling_of(ancestor);
    for (const Holding& holding : holdings) {
      db::Rows rules = statements_.rules_at.run(holding.principal, spelt);
      while (true) {
        auto row = rules.next();
        if (!row) return row.error();
        if (!*row) break;
        const Expiry expires = to_expiry(rules.maybe_integer(0));
        if (!is_live(expires, now)) continue;
        return Answer(Decision{Access::kRead, earlier(holding.until, expires), ancestor.size()});
      }
    }
    if (source_ == nullptr) continue;
    for (const Holding& holding : holdings) {
      auto rule = source_->allow(holding.principal, ancestor, now);
      if (!rule) return rule.error();
      if (*rule) {
        const Expiry until = earlier(holding.until, (*rule)->expires);
        return Answer(Decision{Access::kRead, until, ancestor.size()});
      }
    }
  }
  return Answer();
}

Result<std::optional<Decision>> Reader::passage(const Holdings& holdings, const StorePath& path,
                                                Timestamp now) {
  using Answer = std::optional<Decision>;
  const PathRange range = PathRange::below(path);
  for (const Holding& holding : holdings) {
    db::Rows owned = statements_.next_owned.run(holding.principal, range.begin, range.end);
    auto row = owned.next();
    if (!row) return row.error();
    if (*row) return Answer(Decision{Access::kPassage, holding.until});
    db::Rows granted =
        statements_.next_granted.run(holding.principal, range.begin, range.end, unix_seconds(now));
    row = granted.next();
    if (!row) return row.error();
    if (*row) {
      const Expiry expires = to_expiry(granted.maybe_integer(1));
      return Answer(Decision{Access::kPassage, earlier(holding.until, expires)});
    }
  }
  if (source_ == nullptr) return Answer();
  for (const Holding& holding : holdings) {
    std::optional<Expiry> ends;
    auto looked =
        source_->below(holding.principal, path, now, [&](const StorePath&, const Expiry& expires) {
          ends = earlier(holding.until, expires);
          return false;
        });
    if (!looked) return looked.error();
    if (ends) return Answer(Decision{Access::kPassage, *ends});
  }
  return Answer();
}

Result<Decision> Reader::by_rules(const Holdings& holdings, const StorePath& path, Timestamp now) {
  auto found = covered(holdings, path, now);
  if (found && !*found) found = passage(holdings, path, now);
  if (!found) return found.error();
  return (*found).value_or(Decision{Access::kNone, holdings.front().until});
}

Result<Decision> Reader::by_link(const Explanation::Link& link, const Holdings& holdings,
                                 const StorePath& path, Timestamp now) {
  const bool is_door = path == link.path.parent();
  Decision decision{Access::kNone, holdings.front().until};
  if (is_door || link.path.covers(path)) {
    auto found = by_rules(holdings, is_door ? link.path : path, now);
    if (!found) return found.error();
    decision = *found;
  }
  if (is_door && decision.access == Access::kNone) {
    decision.access = Access::kClosed;  // the link's own principal has lost what it is on
  } else if (is_door && !link.path.is_root()) {
    decision.access = Access::kPassage;
    decision.rule_path_bytes = 0;
  }
  decision.uses = link.uses;
  return decision;
}

}  // namespace grantfs
