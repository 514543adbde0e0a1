#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <variant>

#include "grantfs/address.h"
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

/// The bearer of a session's token: the session's principal, while the session is live, and not
/// bound to an address other than the one it comes from.
struct SessionBearer {
  TokenHash session;
  /// As it was presented, for a policy source that is asked whose it is; may be empty.
  std::string token{};
  std::optional<Address> from{};  ///< as the server says; none: it did not say
  friend auto operator<=>(const SessionBearer&, const SessionBearer&) = default;
};

/// The bearer of a link's token: may see what the link is on, and no more of it than the link's
/// principal may, while the link is live, and not bound to another address.
struct LinkBearer {
  TokenHash link;
  std::optional<Address> from{};
  friend auto operator<=>(const LinkBearer&, const LinkBearer&) = default;
};

/// A principal by name, as an administrator asks about it, or a server that authenticated it.
struct Named {
  Principal principal;
  friend auto operator<=>(const Named&, const Named&) = default;
};

using Identity = std::variant<Anyone, SystemUser, SessionBearer, LinkBearer, Named>;

}  // namespace grantfs
