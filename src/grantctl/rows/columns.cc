#include "grantctl/rows/columns.h"

#include <fmt/core.h>

#include "base/hex.h"
#include "grantctl/rows/records.h"

namespace grantctl {

using grantfs::Expiry;
using grantfs::PolicyRow;
using grantfs::Secret;

namespace {

/// A set of kinds of rows, with a bit for each kind.
using Kinds = unsigned;

constexpr Kinds bit(PolicyRow::Kind kind) {
  return 1U << static_cast<unsigned>(kind);
}

constexpr Kinds kOwner = bit(PolicyRow::Kind::kOwner);
constexpr Kinds kGrant = bit(PolicyRow::Kind::kGrant);
constexpr Kinds kMember = bit(PolicyRow::Kind::kMember);
constexpr Kinds kLink = bit(PolicyRow::Kind::kLink);
constexpr Kinds kKey = bit(PolicyRow::Kind::kKey);
constexpr Kinds kAll = kOwner | kGrant | kMember | kLink | kKey;

/// The kinds of rows that have a column.
struct ColumnKinds {
  Kinds needing;  ///< rows of these kinds must have a value
  Kinds having;   ///< these, and those that may leave the column empty
  std::string_view why_no_other;
};

/// The kinds of each column, in the order of Column.
constexpr std::array<ColumnKinds, kPolicyColumns.size()> kColumnKinds{{
    {0, kAll, ""},
    {kAll & ~kKey, kAll & ~kKey, "a signing key has none"},
    {kAll & ~kMember, kAll & ~kMember, "a membership has none"},
    {kMember, kMember, "only a membership has one"},
    {0, kGrant, "only a grant has any"},
    {0, kGrant | kMember | kLink, "only what is no signing key has one; a key has retired"},
    {kLink | kKey, kLink | kKey, "only a link or a signing key has one"},
    {0, kLink, "only a link has one"},
    {0, kLink, "only a link has any"},
    {kKey, kKey, "only a signing key has one"},
    {0, kKey, "only a signing key has one"},
    {kKey, kKey, "only a signing key has one"},
    {0, kKey, "only a signing key has it"},
    {0, kLink | kKey, "only of a link or a signing key is it taken"},
    {0, kLink, "only a link has one"},
}};

std::string spelled(const Expiry& at) {
  return at ? grantfs::format_timestamp(*at) : std::string();
}

/// Appends the value of a column. Rows of this kind must have the column.
void append_value(Secret& line, const PolicyRow& row, Column column) {
  const bool link = row.kind == PolicyRow::Kind::kLink;
  switch (column) {
    case kKind:
      return line.append(kKindNames.at(static_cast<std::size_t>(row.kind)));
    case kPrincipal:
      return line.append(csv_value(row.principal.text()));
    case kPath:
      return line.append(csv_value(row.path.spelling()));
    case kGroup:
      return line.append(csv_value(row.group->text()));
    case kRights:
      return line.append(kRightsNames.at(static_cast<std::size_t>(row.rights)));
    case kExpires:
      return line.append(spelled(row.expires));
    case kId:
      return line.append(link ? std::string_view(row.link->id.hex()) : row.key->id);
    case kAddress:
      return line.append(csv_value(row.link->address));
    case kUses:
      return line.append(row.link->uses ? std::to_string(*row.link->uses) : std::string());
    case kFormat:
      return line.append(csv_value(row.key->format));
    case kUriPrefix:
      return line.append(csv_value(row.key->uri_prefix));
    case kSecret:
      return append_hex(line, row.key->secret.view());
    case kRetired:
      return line.append(spelled(row.key->retired));
    case kCreated:
      return line.append(spelled(link ? row.link->created : row.key->created));
    case kLabel:
      return line.append(csv_value(row.link->label));
  }
}

}  // namespace

bool has_column(PolicyRow::Kind kind, Column column) {
  return (kColumnKinds.at(column).having & bit(kind)) != 0;
}

bool needs_column(PolicyRow::Kind kind, Column column) {
  return (kColumnKinds.at(column).needing & bit(kind)) != 0;
}

std::string_view why_no_column(PolicyRow::Kind kind, Column column) {
  const bool ownership = kind == PolicyRow::Kind::kOwner;
  if (ownership && column == kExpires) return "an ownership never ends; import it as a grant";
  return kColumnKinds.at(column).why_no_other;
}

Secret to_csv(const PolicyRow& row) {
  Secret line;
  for (std::size_t i = 0; i < kPolicyColumns.size(); ++i) {
    const auto column = static_cast<Column>(i);
    if (i > 0) line.append(',');
    if (has_column(row.kind, column)) append_value(line, row, column);
  }
  return line;
}

}  // namespace grantctl
