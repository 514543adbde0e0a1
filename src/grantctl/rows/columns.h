#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "grantfs/bulk.h"
#include "grantfs/secret.h"

// The columns of a row of the policy in a CSV file: their names, the kinds of rows that have them,
// and the spelling of their values. Import and export both use this table.
namespace grantctl {

/// A column, in the order of an export. The numbers are indices of arrays.
enum Column : std::size_t {
  kKind,
  kPrincipal,
  kPath,
  kGroup,
  kRights,
  kExpires,
  kId,
  kAddress,
  kUses,
  kFormat,
  kUriPrefix,
  kSecret,
  kRetired,
  kCreated,
  kLabel
};

/// The columns' names in a file.
inline constexpr std::array<std::string_view, 15> kPolicyColumns{
    "kind", "principal", "path",       "group",  "rights",  "expires", "id",   "address",
    "uses", "format",    "uri_prefix", "secret", "retired", "created", "label"};
static_assert(kPolicyColumns[kLabel] == "label");

/// The values of the column kind, in the order of PolicyRow::Kind.
inline constexpr std::array<std::string_view, 5> kKindNames{"own", "grant", "member", "link",
                                                            "key"};
/// The values of the column rights, in the order of Rights.
inline constexpr std::array<std::string_view, 3> kRightsNames{"read", "write", "own"};

/// Whether a row of this kind may have a value in the column.
bool has_column(grantfs::PolicyRow::Kind kind, Column column);
/// Whether a file without this column can have no row of this kind.
bool needs_column(grantfs::PolicyRow::Kind kind, Column column);
/// Why a row of this kind has no such column. The text follows "expires 5: ".
std::string_view why_no_column(grantfs::PolicyRow::Kind kind, Column column);

/// A row as a line of CSV with all columns, without the line's end. The line of a key has the key's
/// secret in it.
grantfs::Secret to_csv(const grantfs::PolicyRow& row);

}  // namespace grantctl
