#include <algorithm>
#include <set>
#include <tuple>

#include "policy/changes/admin_impl.h"

namespace grantfs {
namespace {

/// Everything that `holder` counts as, itself included: what its rules may be written for.
/// Breadth first; a principal is entered once, so cycles of groups end.
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
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::string member = found[i];
    auto done = for_each_parent(member, add);
    if (!done) return done.error();
  }
  return found;
}

}  // namespace

Result<std::vector<Rule>> Admin::rules(const StorePath& path,
                                       const std::optional<Principal>& holder) {
  // The folders above cover the path; each is a range that holds itself alone.
  std::vector<PathRange> ranges = subtree_ranges(path);
  for (const std::string_view above : path.self_and_ancestors()) {
    if (above == path.text()) continue;
    ranges.push_back(PathRange::only(StorePath::spelling_of(above)));
  }

  return impl_->read([&]() -> Result<std::vector<Rule>> {
    std::vector<Rule> rules;
    const auto take = [&](const db::Rows& rows) -> Result<void> {
      auto principal = principal_column(rows, 1);
      if (!principal) return principal.error();
      auto at = path_column(rows, 2);
      if (!at) return at.error();
      rules.push_back({rows.integer(0) == 0 ? Rule::Kind::kOwner : Rule::Kind::kGrant,
                       std::move(*principal), std::move(*at), expiry_column(rows, 3)});
      return {};
    };
    const auto query = [&](const char* condition, const auto&... arguments) -> Result<void> {
      auto owners = impl_->for_each(
          fmt::format("SELECT 0, principal, path, NULL FROM owners WHERE {}", condition), take,
          arguments...);
      if (!owners) return owners;
      return impl_->for_each(
          fmt::format("SELECT 1, principal, path, expires FROM grants WHERE {}", condition), take,
          arguments...);
    };

    std::vector<std::string> holders;
    if (holder) {
      const std::int64_t now = to_column(impl_->now());
      auto found = closure(*holder, [&](const std::string& member, const auto& add) {
        return impl_->for_each(
            "SELECT parent FROM members WHERE member = ?1 AND (expires IS NULL OR expires > ?2)",
            [&](const db::Rows& rows) -> Result<void> {
              add(std::string(rows.text(0)));
              return {};
            },
            member, now);
      });
      if (!found) return found.error();
      holders = std::move(*found);
    }
    for (const PathRange& range : ranges) {
      if (!holder) {
        auto done = query("path >= ?1 AND path < ?2", range.begin, range.end);
        if (!done) return done.error();
      }
      for (const std::string& principal : holders) {
        auto done =
            query("principal = ?1 AND path >= ?2 AND path < ?3", principal, range.begin, range.end);
        if (!done) return done.error();
      }
    }
    std::ranges::sort(
        rules, {}, [](const Rule& rule) { return std::tie(rule.path, rule.kind, rule.principal); });
    return rules;
  });
}

Result<std::vector<Membership>> Admin::memberships(const std::optional<Principal>& group) {
  return impl_->read([&]() -> Result<std::vector<Membership>> {
    std::vector<Membership> found;
    const auto take = [&](const db::Rows& rows) -> Result<void> {
      auto member = principal_column(rows, 0);
      if (!member) return member.error();
      auto parent = principal_column(rows, 1);
      if (!parent) return parent.error();
      found.push_back({std::move(*member), std::move(*parent), expiry_column(rows, 2)});
      return {};
    };
    auto done = group ? impl_->for_each(
                            "SELECT member, parent, expires FROM members"
                            " WHERE parent = ?1 ORDER BY member",
                            take, group->text())
                      : impl_->for_each(
                            "SELECT member, parent, expires FROM members"
                            " ORDER BY parent, member",
                            take);
    if (!done) return done.error();
    return found;
  });
}

}  // namespace grantfs
