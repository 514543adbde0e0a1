#include "policy/changes/bulk_export.h"

#include "base/quote.h"
#include "db/rows.h"
#include "policy/changes/bulk_tables.h"

namespace grantfs {
namespace {

using Kind = PolicyRow::Kind;

Result<Rights> rights_column(const db::Rows& rows, int column) {
  for (std::size_t i = 0; i < kRightsNames.size(); ++i) {
    if (rows.text(column) == kRightsNames.at(i)) return static_cast<Rights>(i);
  }
  return Error{ErrorKind::kDatabase,
               fmt::format("a grant has rights {}", quoted(rows.text(column)))};
}

using TakeRow = std::function<Result<void>(const PolicyRow&)>;

Result<void> take_link(const db::Rows& rows, const TakeRow& take) {
  auto principal = principal_column(rows, 0);
  if (!principal) return principal.error();
  auto path = path_column(rows, 1);
  if (!path) return path.error();
  auto id = TokenHash::parse(rows.text(2));
  if (!id) return Error{ErrorKind::kDatabase, id.error().message};
  return take({.kind = Kind::kLink,
               .principal = std::move(*principal),
               .path = std::move(*path),
               .expires = expiry_column(rows, 3),
               .link = LinkRow{std::move(*id), std::string(rows.text(4)), rows.maybe_integer(5),
                               expiry_column(rows, 6)}});
}

Result<void> take_key(const db::Rows& rows, const TakeRow& take) {
  auto path = path_column(rows, 6);
  if (!path) return path.error();
  return take({.kind = Kind::kKey,
               .principal = Principal::everyone(),
               .path = std::move(*path),
               .key = KeyRow{std::string(rows.text(0)), std::string(rows.text(1)),
                             std::string(rows.text(2)), Secret(rows.text(3)),
                             expiry_column(rows, 4), expiry_column(rows, 5)}});
}

}  // namespace

Result<void> BulkExport::for_each_row(const std::function<Result<void>(const PolicyRow&)>& take) {
  const auto take_rule = [&](Kind kind, const db::Rows& rows) -> Result<void> {
    auto principal = principal_column(rows, 0);
    if (!principal) return principal.error();
    auto path = path_column(rows, 1);
    if (!path) return path.error();
    auto rights = rights_column(rows, 2);
    if (!rights) return rights.error();
    return take(
        {kind, std::move(*principal), std::move(*path), {}, *rights, expiry_column(rows, 3)});
  };
  return connection_.read([&]() -> Result<void> {
    auto owners =
        connection_.for_each("SELECT principal, path, 'own', NULL FROM owners ORDER BY path",
                             [&](const db::Rows& rows) { return take_rule(Kind::kOwner, rows); });
    if (!owners) return owners;
    auto grants = connection_.for_each(
        "SELECT principal, path, rights, expires FROM grants ORDER BY path, principal",
        [&](const db::Rows& rows) { return take_rule(Kind::kGrant, rows); });
    if (!grants) return grants;
    auto members = connection_.for_each(
        "SELECT member, parent, expires FROM members ORDER BY parent, member",
        [&](const db::Rows& rows) -> Result<void> {
          auto member = principal_column(rows, 0);
          if (!member) return member.error();
          auto parent = principal_column(rows, 1);
          if (!parent) return parent.error();
          return take({Kind::kMember, std::move(*member), StorePath(), std::move(*parent),
                       Rights::kRead, expiry_column(rows, 2)});
        });
    if (!members) return members;
    auto links = connection_.for_each(
        "SELECT principal, path, id, expires, address, uses, created FROM links ORDER BY id",
        [&](const db::Rows& rows) { return take_link(rows, take); });
    if (!links) return links;
    return connection_.for_each(
        "SELECT id, format, uri_prefix, secret, created, retired, path FROM signing_keys"
        " ORDER BY id",
        [&](const db::Rows& rows) { return take_key(rows, take); });
  });
}

}  // namespace grantfs
