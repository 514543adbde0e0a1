#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grantfs/principal.h"
#include "grantfs/signature.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

// What the policy answers: decisions, roots of views, listings, explanations.
namespace grantfs {

/// The access of one identity to one path. The policy knows nothing of what the store holds: a file
/// need not exist to be granted, and a path that exists may be nobody's.
enum class Access : std::uint8_t {
  kClosed,   ///< the identity itself is void: no such session, expired, or bound elsewhere
  kNone,     ///< no live rule covers the path, and none lies below it
  kPassage,  ///< a live rule lies below: a folder of this name is shown, to lead there
  kRead,     ///< a live rule on the path or on a folder above it: may be read
};

/// Stands for the path that a rule is on, as Losses::paths names it when the rule is gone: the same
/// for the same path as long as the process lives. Different paths may have the same one.
using RuleHash = std::uint64_t;
/// The hash of a StorePath::text(). Never 0. Thread-safe.
RuleHash rule_hash(std::string_view path);

/// The policy's answer about one identity and one path, and how far it holds.
struct Decision {
  Access access = Access::kClosed;
  /// The time until which the answer holds if nobody changes the policy: the first expiry among the
  /// session, the memberships and the grant that it rests on. None: for ever. With kNone it has no
  /// meaning, except for the path of the whole store, where it is that of the identity itself.
  Expiry until;
  /// With kRead, how many bytes of the path name the file or folder that the rule is on: 5 of
  /// "album/1.jpg" if "album" was granted. For an Md5Bearer, how many bytes of the URI were signed.
  std::size_t rule_path_bytes = 0;
  /// How often each client may use the link that the answer rests on; none: any number of times.
  /// The caller has to count: the policy does not.
  std::optional<std::int64_t> uses{};
  /// With kRead, for an Md5Bearer: where in the store the file of the URI is.
  std::optional<StorePath> file{};
  /// With kRead and kPassage, the path of the rule, or of the key for signatures, without which the
  /// answer might be less. 0 if the feed would not name it: a rule of a source.
  RuleHash rule = 0;
};

/// Where an identity's view begins.
struct ViewRoot {
  Decision decision;  ///< on the root
  /// The folder of the store that its door leads to: all of it, but for a link the folder that
  /// holds what it is on, of which nothing else is shown. A link on the whole store leads there.
  StorePath root;
  /// The principal that a session, a link or a name stands for by itself, without groups.
  std::optional<Principal> principal{};
};

/// One name in a folder of which only parts are visible.
struct ListedName {
  std::string name;
  Access access;  ///< kPassage or kRead
};

/// The names that an identity may see in a folder. With kRead these are all that the store has
/// there, and `names` is empty. With kPassage they are those of `names` that the store has (sorted,
/// each once).
struct Listing {
  Access access = Access::kNone;
  std::vector<ListedName> names;
};

/// A rule lets a principal in: an ownership, a grant, or an answer of the policy source.
struct Rule {
  enum class Kind { kOwner, kGrant, kSource };
  Kind kind;
  Principal principal;
  StorePath path;
  Expiry expires;  ///< an ownership never expires
};

/// The reasons for an access, for people.
struct Explanation {
  Access access = Access::kNone;
  /// The session, if the identity is one: unset where no such session exists.
  struct Session {
    Principal principal;
    Expiry expires;
    std::string address;  ///< empty: not bound to one
  };
  std::optional<Session> session;
  /// The link, if the identity is one: unset where no such link exists.
  struct Link {
    Principal principal;
    StorePath path;
    Expiry expires;
    std::string address;  ///< empty: not bound to one
    std::optional<std::int64_t> uses;
  };
  std::optional<Link> link;
  /// The signature, if the identity is one.
  struct Signed {
    bool is_genuine = false;  ///< a key that there is made it, for a path that the key may sign for
    SignatureClaims claims;
    Expiry until;  ///< if it is genuine: its expiry, or the key's retirement if that is sooner
  };
  std::optional<Signed> signature;
  /// The rule that allows; unset unless access is kRead.
  std::optional<Rule> rule;
  /// How the identity comes to be the rule's principal: its own principal first, the rule's last.
  std::vector<Principal> membership;
  /// The rules that would allow the access, had they not expired: grants, and grants that are
  /// reached only through an expired membership. Nearest path first.
  std::vector<Rule> expired;
  /// Who else the path is open to: the owner of the path or of the nearest folder above it.
  std::optional<Rule> owner;
};

}  // namespace grantfs
