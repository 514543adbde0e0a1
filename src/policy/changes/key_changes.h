#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grantfs/admin.h"
#include "policy/changes/change_connection.h"

namespace grantfs {

/// A row of: SELECT id, format, uri_prefix, path, created, retired FROM signing_keys
Result<SigningKey> signing_key_row(const ChangeRow& row);

/// Changes and lists signing keys. Admin's method of the same name documents each method.
class KeyChanges {
 public:
  /// `connection` must outlive this object.
  explicit KeyChanges(ChangeConnection& connection) : connection_(connection) {}

  Result<std::string> create_signing_key(const NewSigningKey& key);
  Result<std::vector<SigningKey>> signing_keys();
  Result<UsableSigningKey> usable_signing_key(std::string_view id);
  Result<RowCounts> retire_signing_key(std::string_view id, Timestamp when);
  Result<RowCounts> remove_signing_key(std::string_view id);

 private:
  ChangeConnection& connection_;
};

}  // namespace grantfs
