#include "policy/changes/change_connection.h"

#include "values/expiry.h"

namespace grantfs {

Result<Principal> principal_column(const ChangeRow& row, int column) {
  auto principal = Principal::parse(row.text(column));
  if (!principal) return Error{ErrorKind::kDatabase, principal.error().message};
  return principal;
}

Result<StorePath> path_column(const ChangeRow& row, int column) {
  auto path = StorePath::parse(row.text(column));
  if (!path) return Error{ErrorKind::kDatabase, path.error().message};
  return path;
}

Expiry expiry_column(const ChangeRow& row, int column) {
  return to_expiry(row.maybe_integer(column));
}

}  // namespace grantfs
