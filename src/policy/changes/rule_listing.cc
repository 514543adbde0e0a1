#include "policy/changes/rule_listing.h"

#include <algorithm>
#include <tuple>

#include "values/expiry.h"
#include "values/path_range.h"

namespace grantfs {
namespace {

/// Lists every principal whose rules apply to `holder`: itself, its groups, their groups and so on.
/// The search is breadth first. A principal is listed once, so cycles of groups end.
template <class ForEachParent>
Result<std::vector<std::string>> closure(const Principal& holder, ForEachParent for_each_parent) {
  std::vector<std::string> found{holder.text()};
  const auto add = [&](std::string principal) {
    if (std::ranges::find(found, principal) == found.end()) found.push_back(std::move(principal));
  };
  if (holder.kind() == Principal::Kind::kUid) {
    const auto uid = static_cast<uid_t>(std::stoul(std::string(holder.name())));
    for (const gid_t gid : system_groups()(uid)) add(Principal::gid(gid).text());
  }
  add(Principal::everyone().text());
  // NOLINTNEXTLINE(modernize-loop-convert): `found` grows within the loop
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string member = found[i];
    auto done = for_each_parent(member, add);
    if (!done) return done.error();
  }
  return found;
}

using Order = RuleQuery::Order;

/// The columns to order by, as before() does.
const char* sql_of(Order order) {
  switch (order) {
    case Order::kPrincipal:
      return "principal, path";
    case Order::kExpires:
      return "expires IS NULL, expires, path, principal";
    case Order::kPath:
      break;
  }
  return "path, principal";
}

bool before(const Rule& a, const Rule& b, Order order) {
  const auto by_path = [](const Rule& rule) {
    return std::tie(rule.path, rule.kind, rule.principal);
  };
  if (order == Order::kPrincipal && a.principal != b.principal) return a.principal < b.principal;
  if (order == Order::kExpires && a.expires != b.expires) {
    return a.expires && (!b.expires || *a.expires < *b.expires);
  }
  return by_path(a) < by_path(b);
}

}  // namespace

Result<std::vector<std::string>> RuleListing::principals_of(const RuleQuery& asked) {
  if (asked.principal) return std::vector{asked.principal->text()};
  if (!asked.holder) return std::vector<std::string>();
  const std::int64_t now = unix_seconds(connection_.now());
  return closure(*asked.holder, [&](const std::string& member, const auto& add) {
    return connection_.for_each(
        "SELECT parent FROM members WHERE member = ?1 AND (expires IS NULL OR expires > ?2)",
        [&](const ChangeRow& rows) -> Result<void> {
          add(std::string(rows.text(0)));
          return {};
        },
        member, now);
  });
}

Result<std::vector<Rule>> RuleListing::rules(const RuleQuery& asked) {
  const StorePath& path = asked.path;
  // The folders above also cover the path. Each of them is a range that holds one path alone.
  std::vector<PathRange> ranges = subtree_ranges(path);
  for (const std::string_view above : path.self_and_ancestors()) {
    if (above == path.text()) continue;
    ranges.push_back(PathRange::only(StorePath::spelling_of(above)));
  }
  // The first rows of all ranges are among the first rows of each.
  const std::string order =
      asked.limit ? fmt::format(" ORDER BY {} LIMIT {}", sql_of(asked.order), *asked.limit) : "";

  return connection_.read([&]() -> Result<std::vector<Rule>> {
    std::vector<Rule> rules;
    const auto take = [&](const ChangeRow& rows) -> Result<void> {
      auto principal = principal_column(rows, 1);
      if (!principal) return principal.error();
      auto at = path_column(rows, 2);
      if (!at) return at.error();
      rules.push_back({rows.integer(0) == 0 ? Rule::Kind::kOwner : Rule::Kind::kGrant,
                       std::move(*principal), std::move(*at), expiry_column(rows, 3)});
      return {};
    };
    const auto query = [&](const char* condition, const auto&... arguments) -> Result<void> {
      if (asked.kind != Rule::Kind::kGrant) {
        auto owners = connection_.for_each(
            fmt::format("SELECT 0, principal, path, expires FROM (SELECT principal, path,"
                        " CAST(NULL AS BIGINT) AS expires FROM owners) AS owned WHERE {}{}",
                        condition, order),
            take, arguments...);
        if (!owners) return owners;
      }
      if (asked.kind == Rule::Kind::kOwner) return {};
      return connection_.for_each(
          fmt::format("SELECT 1, principal, path, expires FROM grants WHERE {}{}", condition,
                      order),
          take, arguments...);
    };

    auto principals = principals_of(asked);
    if (!principals) return principals.error();
    for (const PathRange& range : ranges) {
      if (principals->empty()) {
        auto done = query("path >= ?1 AND path < ?2", range.begin, range.end);
        if (!done) return done.error();
      }
      for (const std::string& principal : *principals) {
        auto done =
            query("principal = ?1 AND path >= ?2 AND path < ?3", principal, range.begin, range.end);
        if (!done) return done.error();
      }
    }
    std::ranges::sort(rules,
                      [&](const Rule& a, const Rule& b) { return before(a, b, asked.order); });
    if (asked.limit && rules.size() > static_cast<std::size_t>(*asked.limit)) {
      rules.erase(rules.begin() + static_cast<std::ptrdiff_t>(*asked.limit), rules.end());
    }
    return rules;
  });
}

Result<std::optional<Principal>> RuleListing::nearest_owner(const StorePath& path) {
  return connection_.read([&]() -> Result<std::optional<Principal>> {
    std::optional<Principal> owner;
    for (const std::string_view at : path.self_and_ancestors()) {
      auto done = connection_.for_each(
          "SELECT principal FROM owners WHERE path = ?1",
          [&](const ChangeRow& rows) -> Result<void> {
            auto principal = principal_column(rows, 0);
            if (!principal) return principal.error();
            owner = std::move(*principal);
            return {};
          },
          StorePath::spelling_of(at));
      if (!done) return done.error();
      if (owner) break;
    }
    return owner;
  });
}

Result<RulePresence> RuleListing::rules_about(const StorePath& path) {
  const PathRange itself = PathRange::only(path.spelling());
  std::vector<PathRange> rest = subtree_ranges(path);
  if (path.is_root()) {
    rest = {{rest.front().begin, itself.begin}, {itself.end, rest.front().end}};
  } else {
    rest.erase(rest.begin());
  }
  auto here = any_rule(itself);
  if (!here) return here.error();
  RulePresence presence{*here, false};
  for (const PathRange& range : rest) {
    auto below = any_rule(range);
    if (!below) return below.error();
    presence.below |= *below;
  }
  return presence;
}

Result<bool> RuleListing::any_rule(const PathRange& range) {
  if (!rule_probe_) {
    // The statement is prepared once, since each file of a store is asked about.
    auto probe = connection_.prepare(
        "SELECT CASE WHEN EXISTS (SELECT 1 FROM owners WHERE path >= ?1 AND path < ?2) OR"
        " EXISTS (SELECT 1 FROM grants WHERE path >= ?1 AND path < ?2"
        " AND (expires IS NULL OR expires > ?3)) THEN 1 ELSE 0 END");
    if (!probe) return probe.error();
    rule_probe_ = std::move(*probe);
  }
  bool found = false;
  auto looked = connection_.for_each(
      *rule_probe_,
      [&](const ChangeRow& row) -> Result<void> {
        found = row.integer(0) != 0;
        return {};
      },
      range.begin, range.end, unix_seconds(connection_.now()));
  if (!looked) return connection_.named(looked.error());
  return found;
}

}  // namespace grantfs
