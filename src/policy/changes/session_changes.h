#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// Changes and lists sessions. Admin's method of the same name documents each method.
class SessionChanges {
 public:
  /// `connection` must outlive this object.
  explicit SessionChanges(ChangeConnection& connection) : connection_(connection) {}

  Result<TokenHash> create_session(const Principal& principal, std::string_view token,
                                   Expiry expires, const std::optional<Network>& address);
  Result<std::vector<Session>> sessions(const std::optional<Principal>& principal);
  Result<RowCounts> remove_session(std::string_view id);
  Result<RowCounts> remove_sessions_of(const Principal& principal);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
