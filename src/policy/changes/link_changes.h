#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// A row of: SELECT id, principal, path, expires, address, uses, created, label FROM links
Result<Link> link_row(const ChangeRow& row);

/// Changes and lists links. Admin's method of the same name documents each method.
class LinkChanges {
 public:
  /// `connection` must outlive this object.
  explicit LinkChanges(ChangeConnection& connection) : connection_(connection) {}

  Result<TokenHash> create_link(const Principal& principal, const StorePath& path,
                                std::string_view token, const LinkTerms& terms);
  Result<std::vector<Link>> links(const std::optional<Principal>& principal);
  Result<RowCounts> remove_link(std::string_view id);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
