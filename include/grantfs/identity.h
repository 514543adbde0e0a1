#pragma once

#include <sys/types.h>

#include <optional>
#include <variant>

#include "grantfs/address.h"
#include "grantfs/principal.h"
#include "grantfs/secret.h"
#include "grantfs/signature.h"
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
  SharedSecret token{};
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

/// The bearer of a signature: may read what was signed, and no more, while the signature and the
/// key that made it count, and if it is not bound to another address.
struct SignatureBearer {
  Signature signature;
  std::optional<Address> from{};
  friend auto operator<=>(const SignatureBearer&, const SignatureBearer&) = default;
};

/// The bearer of an MD5 by nginx's secure_link. Its paths are those of the site's URIs: of these
/// it may read the one that was signed, while the key counts; where the file of it is, the decision
/// says. Every other one is the same to it.
struct Md5Bearer {
  Md5Mark mark;
  std::optional<Address> from{};  ///< stands for $remote_addr
  friend auto operator<=>(const Md5Bearer&, const Md5Bearer&) = default;
};

/// A principal by name, as an administrator asks about it, or a server that authenticated it.
struct Named {
  Principal principal;
  friend auto operator<=>(const Named&, const Named&) = default;
};

using Identity =
    std::variant<Anyone, SystemUser, SessionBearer, LinkBearer, SignatureBearer, Md5Bearer, Named>;

}  // namespace grantfs
