#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "grantfs/principal.h"
#include "grantfs/secret.h"
#include "grantfs/signature.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

// The rows of a policy database, as Admin hands them out.
namespace grantfs {

/// A row of `members`.
struct Membership {
  Principal member;
  Principal group;
  Expiry expires;
};

/// A row of `sessions`.
struct Session {
  TokenHash id;
  Principal principal;
  Expiry expires;
  std::string address;  ///< empty: not bound to one
  Timestamp created;
};

/// A row of `links`.
struct Link {
  TokenHash id;
  Principal principal;
  StorePath path;
  Expiry expires;
  std::string address;               ///< empty: not bound to one
  std::optional<std::int64_t> uses;  ///< by each client; none: any number
  Timestamp created;
  std::string label;  ///< what it is for, in its maker's words; empty: none was given
};

/// A row of `signing_keys`, but for the secret.
struct SigningKey {
  std::string id;
  /// Of nginx's secure_link_md5, as Md5Expression takes it; none: a key for our own signatures.
  std::optional<std::string> expression;
  std::string uri_prefix;  ///< empty unless there is an expression
  StorePath path;          ///< what it may sign for, and all below
  Timestamp created;
  Expiry retired;  ///< from then on, nothing that it signed counts
};

/// A signing key with its secret, for making signatures.
struct UsableSigningKey {
  std::string id;
  std::optional<Md5Expression> expression;
  std::string uri_prefix;
  StorePath path;
  Secret secret;
  Expiry retired;
};

/// Rows that a command touched, by table.
struct RowCounts {
  std::int64_t owners = 0;
  std::int64_t grants = 0;
  std::int64_t members = 0;
  std::int64_t sessions = 0;
  std::int64_t links = 0;
  std::int64_t signing_keys = 0;
  std::int64_t total() const { return owners + grants + members + sessions + links + signing_keys; }
};

/// Whether there are rules about a path: owners, and grants that have not expired.
struct RulePresence {
  bool here = false;   ///< on exactly this path
  bool below = false;  ///< on a path below it
};

}  // namespace grantfs
