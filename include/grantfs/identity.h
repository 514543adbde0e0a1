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

// Identities: who asks. The policy says which principals an identity stands for; `public` is one of
// them always. Each view of the mount stands for one identity.

/// Somebody of whom nothing is known, and who is `public` alone.
struct Anyone {
  friend auto operator<=>(const Anyone&, const Anyone&) = default;
};

/// A user of this machine: uid:N, and gid:N of each group that the system's database gives it.
struct SystemUser {
  uid_t uid;
  friend auto operator<=>(const SystemUser&, const SystemUser&) = default;
};

/// The bearer of a session's token. It stands for the session's principal while the session is live
/// and, if the session is bound to an address, comes from there.
struct SessionBearer {
  TokenHash session;
  /// The token itself, for an application's own database (SourceConfig::who). May be empty: then
  /// that is not asked.
  SharedSecret token{};
  std::optional<Address> from{};  ///< the client's, by the web server; none: it did not say
  friend auto operator<=>(const SessionBearer&, const SessionBearer&) = default;
};

/// The bearer of a link's token. It may see the file or folder that the link is on, as far as the
/// link's principal may, while the link is live and, if it is bound to an address, comes from
/// there.
struct LinkBearer {
  TokenHash link;
  std::optional<Address> from{};
  friend auto operator<=>(const LinkBearer&, const LinkBearer&) = default;
};

/// The bearer of a signature. It may read the path that was signed and all below it, until the
/// signature expires or its key is retired; if the signature is bound to an address, from there.
struct SignatureBearer {
  Signature signature;
  std::optional<Address> from{};
  friend auto operator<=>(const SignatureBearer&, const SignatureBearer&) = default;
};

/// The bearer of an MD5 by nginx's secure_link. A path that it asks for is not one of the store but
/// a URI of the site, without the leading slash. It may read the URI that was signed, until the MD5
/// expires or its key is retired; Decision::file says where in the store that file is. All other
/// URIs are refused alike.
struct Md5Bearer {
  Md5Mark mark;
  std::optional<Address> from{};  ///< stands for $remote_addr
  friend auto operator<=>(const Md5Bearer&, const Md5Bearer&) = default;
};

/// A principal by name: one that a web server has authenticated, or that an administrator asks
/// about.
struct Named {
  Principal principal;
  friend auto operator<=>(const Named&, const Named&) = default;
};

using Identity =
    std::variant<Anyone, SystemUser, SessionBearer, LinkBearer, SignatureBearer, Md5Bearer, Named>;

}  // namespace grantfs
