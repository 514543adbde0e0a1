#include "policy/decisions/rules.h"

#include <utility>

#include "values/expiry.h"
#include "values/path_range.h"

namespace grantfs {
namespace {

// Decisions and listings find only a principal's own rows, by the principal first: a path that
// belongs to somebody else must take as long as one that belongs to nobody. So the statements name
// the index, because SQLite's planner would rather seek by the path, of which `owners` has one row.
// One statement reads both tables, because beginning a statement costs more than the seek.
constexpr std::string_view kRulesAt =
    "SELECT NULL FROM owners INDEXED BY owners_by_principal WHERE principal = ?1 AND path = ?2"
    " UNION ALL SELECT expires FROM grants INDEXED BY sqlite_autoindex_grants_1"
    " WHERE principal = ?1 AND path = ?2";
constexpr std::string_view kNextOwned =
    "SELECT path FROM owners INDEXED BY owners_by_principal"
    " WHERE principal = ?1 AND path >= ?2 AND path < ?3 ORDER BY path LIMIT 1";
constexpr std::string_view kNextGranted =
    "SELECT path, expires FROM grants INDEXED BY sqlite_autoindex_grants_1"
    " WHERE principal = ?1 AND path >= ?2 AND path < ?3"
    " AND (expires IS NULL OR expires > ?4) ORDER BY path LIMIT 1";

/// The decision by a rule below; `spelt` is its path as the database has it.
Decision passage_by(std::string_view spelt, Expiry until) {
  Decision decision{Access::kPassage, until};
  decision.rule = rule_hash(spelt == StorePath::kWholeStore ? std::string_view() : spelt);
  return decision;
}

}  // namespace

Rules::Rules(DecisionDatabase& database, db::Preparer& prepare)
    : database_(database),
      rules_at_(prepare(kRulesAt)),
      next_owned_(prepare(kNextOwned)),
      next_granted_(prepare(kNextGranted)) {}

std::vector<std::string_view> Rules::statements() {
  return {kRulesAt, kNextOwned, kNextGranted};
}

db::Rows Rules::next_owned(std::string_view principal, std::string_view begin,
                           std::string_view end) {
  return next_owned_.run(principal, begin, end);
}

db::Rows Rules::next_granted(std::string_view principal, std::string_view begin,
                             std::string_view end, Timestamp now) {
  return next_granted_.run(principal, begin, end, unix_seconds(now));
}

Result<std::optional<Decision>> Rules::covered(const Holdings& holdings, const StorePath& path,
                                               Timestamp now) {
  using Answer = std::optional<Decision>;
  for (const std::string_view ancestor : path.self_and_ancestors()) {
    const std::string_view spelt = StorePath::spelling_of(ancestor);
    for (const Holding& holding : holdings) {
      db::Rows rules = rules_at_.run(holding.principal, spelt);
      while (true) {
        auto row = rules.next();
        if (!row) return row.error();
        if (!*row) break;
        const Expiry expires = to_expiry(rules.maybe_integer(0));
        if (!is_live(expires, now)) continue;
        Decision decision{Access::kRead, earlier(holding.until, expires), ancestor.size()};
        decision.rule = rule_hash(ancestor);
        return Answer(std::move(decision));
      }
    }
    if (database_.source() == nullptr) continue;
    for (const Holding& holding : holdings) {
      auto rule = database_.source()->allow(holding.principal, ancestor, now);
      if (!rule) return rule.error();
      if (*rule) {
        const Expiry until = earlier(holding.until, (*rule)->expires);
        return Answer(Decision{Access::kRead, until, ancestor.size()});
      }
    }
  }
  return Answer();
}

Result<std::optional<Decision>> Rules::passage(const Holdings& holdings, const StorePath& path,
                                               Timestamp now) {
  using Answer = std::optional<Decision>;
  const PathRange range = PathRange::below(path);
  for (const Holding& holding : holdings) {
    db::Rows owned = next_owned(holding.principal, range.begin, range.end);
    auto row = owned.next();
    if (!row) return row.error();
    if (*row) return Answer(passage_by(owned.text(0), holding.until));
    db::Rows granted = next_granted(holding.principal, range.begin, range.end, now);
    row = granted.next();
    if (!row) return row.error();
    if (*row) {
      const Expiry expires = to_expiry(granted.maybe_integer(1));
      return Answer(passage_by(granted.text(0), earlier(holding.until, expires)));
    }
  }
  if (database_.source() == nullptr) return Answer();
  for (const Holding& holding : holdings) {
    std::optional<Expiry> ends;
    auto looked = database_.source()->below(holding.principal, path, now,
                                            [&](const StorePath&, const Expiry& expires) {
                                              ends = earlier(holding.until, expires);
                                              return false;
                                            });
    if (!looked) return looked.error();
    if (ends) return Answer(Decision{Access::kPassage, *ends});
  }
  return Answer();
}

Result<Decision> Rules::decide(const Holdings& holdings, const StorePath& path, Timestamp now) {
  auto found = covered(holdings, path, now);
  if (found && !*found) found = passage(holdings, path, now);
  if (!found) return found.error();
  return (*found).value_or(Decision{Access::kNone, holdings.front().until});
}

Result<Decision> Rules::decide_by_link(const Explanation::Link& link, const Holdings& holdings,
                                       const StorePath& path, Timestamp now) {
  const bool is_door = path == link.path.parent();
  Decision decision{Access::kNone, holdings.front().until};
  if (is_door || link.path.covers(path)) {
    auto found = decide(holdings, is_door ? link.path : path, now);
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
