#include "policy/changes/bulk_export.h"

#include <array>

#include "base/quote.h"
#include "policy/changes/bulk_tables.h"

namespace grantfs {
namespace {

using Kind = PolicyRow::Kind;

Result<Rights> rights_column(const ChangeRow& rows, int column) {
  for (std::size_t i = 0; i < kRightsNames.size(); ++i) {
    if (rows.text(column) == kRightsNames.at(i)) return static_cast<Rights>(i);
  }
  return Error{ErrorKind::kDatabase,
               fmt::format("a grant has rights {}", quoted(rows.text(column)))};
}

// Each of these functions makes a PolicyRow from one row that BulkTable::all selects.

Result<PolicyRow> rule(const ChangeRow& rows, Kind kind, int principal_at, int path_at) {
  auto principal = principal_column(rows, principal_at);
  if (!principal) return principal.error();
  auto path = path_column(rows, path_at);
  if (!path) return path.error();
  return PolicyRow{.kind = kind, .principal = std::move(*principal), .path = std::move(*path)};
}

Result<PolicyRow> owner(const ChangeRow& rows) {
  auto row = rule(rows, Kind::kOwner, 2, 0);
  if (row) row->rights = Rights::kOwn;
  return row;
}

Result<PolicyRow> grant(const ChangeRow& rows) {
  auto row = rule(rows, Kind::kGrant, 0, 1);
  if (!row) return row;
  auto rights = rights_column(rows, 2);
  if (!rights) return rights.error();
  row->rights = *rights;
  row->expires = expiry_column(rows, 3);
  return row;
}

Result<PolicyRow> membership(const ChangeRow& rows) {
  auto member = principal_column(rows, 0);
  if (!member) return member.error();
  auto parent = principal_column(rows, 1);
  if (!parent) return parent.error();
  return PolicyRow{.kind = Kind::kMember,
                   .principal = std::move(*member),
                   .group = std::move(*parent),
                   .expires = expiry_column(rows, 3)};
}

Result<PolicyRow> link(const ChangeRow& rows) {
  auto row = rule(rows, Kind::kLink, 1, 2);
  if (!row) return row;
  auto id = TokenHash::parse(rows.text(0));
  if (!id) return Error{ErrorKind::kDatabase, id.error().message};
  row->expires = expiry_column(rows, 3);
  row->link = LinkRow{std::move(*id), std::string(rows.text(4)), rows.maybe_integer(5),
                      expiry_column(rows, 6), std::string(rows.text(7))};
  return row;
}

Result<PolicyRow> signing_key(const ChangeRow& rows) {
  auto path = path_column(rows, 3);
  if (!path) return path.error();
  return PolicyRow{
      .kind = Kind::kKey,
      .principal = Principal::everyone(),
      .path = std::move(*path),
      .key = KeyRow{std::string(rows.text(0)), std::string(rows.text(1)), std::string(rows.text(2)),
                    rows.blob(4), expiry_column(rows, 5), expiry_column(rows, 6)}};
}

/// Readers in the order of PolicyRow::Kind.
constexpr std::array kReaders{owner, grant, membership, link, signing_key};
static_assert(kReaders.size() == kBulkTables.size());

}  // namespace

Result<void> BulkExport::for_each_row(const std::function<Result<void>(const PolicyRow&)>& take) {
  return connection_.read([&]() -> Result<void> {
    for (std::size_t kind = 0; kind < kBulkTables.size(); ++kind) {
      auto done = connection_.for_each(kBulkTables.at(kind).all,
                                       [&](const ChangeRow& rows) -> Result<void> {
                                         auto row = kReaders.at(kind)(rows);
                                         if (!row) return row.error();
                                         return take(*row);
                                       });
      if (!done) return done;
    }
    return {};
  });
}

}  // namespace grantfs
