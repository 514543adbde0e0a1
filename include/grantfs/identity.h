#pragma once

#include <sys/types.h>

#include <string>
#include <variant>

#include "grantfs/principal.h"
#include "grantfs/token.h"

namespace grantfs {

/// Whoever asks, before the policy has said which principals that makes them. One view of the
/// mount stands for one identity. `public` is part of every identity.
struct Anyone {
  friend auto operator<=>(const Anyone&, const Anyone&) = default;
};

/// A user of this machine: uid:N, and gid:N of each group that the system's database gives it.
struct SystemUser {
  uid_t uid;
  friend auto operator<=>(const SystemUser&, const SystemUser&) = default;
};

/// The bearer of a session's token: the session's principal, while the session is live and not
/// bound to an address.
struct SessionBearer {
  TokenHash session;
  /// As it was presented, for a policy source that is asked whose it is; may be empty.
  std::string token{};
  friend auto operator<=>(const SessionBearer&, const SessionBearer&) = default;
};

/// A principal by name, for administration ("may user:alice read this?"); no view is made of it.
struct Named {
  Principal principal;
  friend auto operator<=>(const Named&, const Named&) = default;
};

using Identity = std::variant<Anyone, SystemUser, SessionBearer, Named>;

}  // namespace grantfs
