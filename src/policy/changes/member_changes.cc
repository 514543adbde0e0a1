#include "policy/changes/member_changes.h"

#include "base/quote.h"
#include "values/expiry.h"

namespace grantfs {
namespace {

Result<void> check_group(const Principal& group) {
  if (group.kind() == Principal::Kind::kGroup) return {};
  return Error{
      ErrorKind::kInvalid,
      fmt::format("{} is not a group of the application; write group:NAME", quoted(group.text()))};
}

}  // namespace

Result<void> MemberChanges::add_member(const Principal& group, const Principal& member,
                                       Expiry expires) {
  if (auto fit = check_group(group); !fit) return fit;
  if (member == group) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} cannot be a member of itself", quoted(group.text()))};
  }
  return connection_.write([&]() -> Result<void> {
    auto done = connection_.change(
        "INSERT INTO members (member, parent, expires) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (member, parent) DO UPDATE SET expires = excluded.expires",
        member.text(), group.text(), unix_seconds(expires));
    if (!done) return done.error();
    return {};
  });
}

Result<RowCounts> MemberChanges::remove_member(const Principal& group, const Principal& member) {
  if (auto fit = check_group(group); !fit) return fit.error();
  return connection_.write([&]() -> Result<RowCounts> {
    RowCounts counts;
    auto done = connection_.count_change(counts.members,
                                         "DELETE FROM members WHERE member = ?1 AND parent = ?2",
                                         member.text(), group.text());
    if (!done) return done.error();
    return counts;
  });
}

Result<std::vector<Membership>> MemberChanges::memberships(const std::optional<Principal>& group) {
  return connection_.read([&]() -> Result<std::vector<Membership>> {
    std::vector<Membership> found;
    const auto take = [&](const ChangeRow& rows) -> Result<void> {
      auto member = principal_column(rows, 0);
      if (!member) return member.error();
      auto parent = principal_column(rows, 1);
      if (!parent) return parent.error();
      found.push_back({std::move(*member), std::move(*parent), expiry_column(rows, 2)});
      return {};
    };
    auto done = group ? connection_.for_each(
                            "SELECT member, parent, expires FROM members"
                            " WHERE parent = ?1 ORDER BY member",
                            take, group->text())
                      : connection_.for_each(
                            "SELECT member, parent, expires FROM members"
                            " ORDER BY parent, member",
                            take);
    if (!done) return done.error();
    return found;
  });
}

}  // namespace grantfs
