#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grantfs/bulk.h"
#include "grantfs/policy.h"
#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/rows.h"
#include "grantfs/secret.h"
#include "grantfs/signature.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

namespace grantfs {

/// The limits of a link.
struct LinkTerms {
  Expiry expires{};
  std::optional<Network> address{};
  std::optional<std::int64_t> uses{};  ///< 1 to kMostLinkUses
  std::string label{};                 ///< of check_link_label(); empty: none
};
inline constexpr std::int64_t kMostLinkUses = 1'000'000'000;
inline constexpr std::size_t kMaxLinkLabelBytes = 200;

/// kInvalid unless the text can be the label of a link: 1 to kMaxLinkLabelBytes bytes, without
/// control characters.
Result<void> check_link_label(std::string_view text);

/// A signing key to be made. The bytes of `secret` must outlive it.
struct NewSigningKey {
  std::string id;                           ///< empty: one is made up
  std::optional<Md5Expression> expression;  ///< none: a key for our own signatures
  std::string uri_prefix;                   ///< with an expression: begins with a slash
  StorePath path;
  std::string_view secret;
};

/// What init_database() did.
enum class InitOutcome { kCreated, kMigrated, kAlreadyCurrent };
struct Initialized {
  InitOutcome outcome;
  /// Whether the database was of a version in which an empty path meant the whole store (before 5).
  /// Then a rule that is on the whole store now may be there because a field was left empty.
  bool knew_blank_paths = false;
};

/// Creates the policy database, or brings an older one to this program's schema, in one
/// transaction; harmless if it is current. A directory that does not exist is created with mode
/// 2770 (set-group-ID, closed to others), those above it with 0755; the file gets mode 0660,
/// whatever the umask. kInvalid if the directory is open to others, kDatabase for a foreign or
/// newer database, which is left as it was.
Result<Initialized> init_database(const std::filesystem::path& database);

/// The rules that Admin::rules() lists.
struct RuleQuery {
  enum class Order {
    kPath,       ///< by path, owners before grants, then by principal
    kPrincipal,  ///< by principal, then as above
    kExpires,    ///< the first to end first and those without an end last, then as above
  };
  /// On the path, below it, and on the folders above it, which cover it.
  StorePath path{};
  /// Only rules that let it in: its own, those of what it belongs to by live memberships (for
  /// uid:N, of the system's groups too), and the public's.
  std::optional<Principal> holder{};
  std::optional<Principal> principal{};  ///< only its own rules; goes before `holder`
  std::optional<Rule::Kind> kind{};      ///< only ownerships, or only grants
  Order order = Order::kPath;
  std::optional<std::int64_t> limit{};  ///< so many at most, the first ones
};

/// Whom a rule lets read a path.
struct PathReader {
  Principal principal;
  Rule rule;
  /// How it comes to be the rule's principal: itself first, the rule's principal last. By the
  /// memberships that last longest.
  std::vector<Principal> membership;
  Expiry until;  ///< when the rule or a membership ends
};

/// Who may read a path, by all that has not expired.
struct PathReaders {
  /// Sorted by principal; a principal whom several rules let in is there for each of them. Groups
  /// are there, and their members too; of groups of the machine and of `public` the members are
  /// nowhere in the policy.
  std::vector<PathReader> readers;
  struct ByLink {
    Link link;
    PathReader
        right;  ///< of the link's principal: if there are several, the one that lasts longest
  };
  std::vector<ByLink> links;
  std::vector<SigningKey> keys;  ///< with any of these, signatures for the path can be made
};

/// How far Admin::revoke() reaches.
enum class Reach { kPathAlone, kBelowToo };
/// Whether Admin::transfer() takes links with it.
enum class TransferLinks { kNo, kYes };

/// Changes to a policy database. Each method is one transaction: all of it, or, on error, none.
///
/// Not thread-safe: one thread at a time. Other processes may read and write meanwhile; a lock
/// held by one of them for more than five seconds is a kDatabase error.
class Admin {
 public:
  /// Opens an existing database of exactly this program's schema, for writing.
  static Result<std::unique_ptr<Admin>> open(const std::filesystem::path& database,
                                             Clock clock = system_now);
  /// Opens the policy in a PostgreSQL database, which init_postgresql() made; `where` as there. A
  /// statement waits five seconds at most for a lock; a change that others get in the way of is
  /// made again, ten times at most. kDatabase if the server cannot be reached, or the schema is not
  /// exactly this program's.
  static Result<std::unique_ptr<Admin>> open_postgresql(const std::string& where,
                                                        Clock clock = system_now);
  ~Admin();
  Admin(const Admin&) = delete;
  Admin& operator=(const Admin&) = delete;

  /// From now on every change is made only to see what it does: a method returns what it would, and
  /// the database stays as it is.
  void rehearse();

  /// Makes `principal` the owner of each path, in the place of any owner it had.
  /// Returns the owners displaced, in the order of `paths` (none where there was none, or where
  /// it is the same principal).
  Result<std::vector<std::optional<Principal>>> own(const Principal& principal,
                                                    const std::vector<StorePath>& paths);

  /// Gives `principal` read access to the path and all below it. An existing grant of the same
  /// principal on the same path takes the new expiry, whether later or earlier.
  Result<void> grant(const Principal& principal, const StorePath& path, Expiry expires);
  /// grant() on each path.
  Result<void> grant(const Principal& principal, const std::vector<StorePath>& paths,
                     Expiry expires);

  /// Takes away the grant and the ownership that `principal` has on exactly this path.
  /// All zero if there was neither: nothing else is touched.
  Result<RowCounts> revoke(const Principal& principal, const StorePath& path);
  /// revoke() on each path or, with kBelowToo, on all that is below it too. The counts of each.
  Result<std::vector<RowCounts>> revoke(const Principal& principal,
                                        const std::vector<StorePath>& paths,
                                        Reach reach = Reach::kPathAlone);

  /// Rewrites every rule, link and signing key on `from` and below it to lie at `to`. kNotFound if
  /// there is none, kConflict if `to` or anything below it has some already, kInvalid if one is the
  /// whole store, if they are the same or one lies inside the other, or if a resulting path would
  /// be too long.
  Result<RowCounts> move(const StorePath& from, const StorePath& to);

  /// Deletes every rule, link and signing key on the path and below it; of the whole store, all
  /// there are.
  Result<RowCounts> drop(const StorePath& path);

  /// Deletes everything that names the principal: what it owns, its grants, sessions, links, and
  /// its memberships on either side.
  Result<RowCounts> forget(const Principal& principal);

  /// Gives `to` what `from` owns, its grants and its memberships, on either side; with
  /// TransferLinks::kYes its links, too. Sessions stay: whoever has one of `from` must not become
  /// `to`. Where both have a grant on a path, or are in the same group, the later end counts.
  /// Counts the rows that `from` had. kInvalid if they are the same, or if `from` has members and
  /// `to` is no group.
  Result<RowCounts> transfer(const Principal& from, const Principal& to, TransferLinks links);

  /// Expired grants are listed all the same.
  Result<std::vector<Rule>> rules(const RuleQuery& asked);
  Result<std::vector<Rule>> rules(const StorePath& path, const std::optional<Principal>& holder) {
    return rules(RuleQuery{.path = path, .holder = holder});
  }

  /// Who may read the path, and why. Says nothing of an application's own database that is asked
  /// besides (SourceConfig). The cost follows the rules and links on the path and the folders above
  /// it, and the members of groups in them.
  Result<PathReaders> readers(const StorePath& path);

  /// `group` must be a `group:` principal, and not `member`: kInvalid. An existing membership takes
  /// the new expiry.
  Result<void> add_member(const Principal& group, const Principal& member, Expiry expires);
  Result<RowCounts> remove_member(const Principal& group, const Principal& member);
  /// Every membership, or those of one group; sorted by group, then member.
  Result<std::vector<Membership>> memberships(const std::optional<Principal>& group);

  /// Stores the hash of `token`, for which check_token() must hold. kConflict if that token has a
  /// session already.
  Result<TokenHash> create_session(const Principal& principal, std::string_view token,
                                   Expiry expires,
                                   const std::optional<Network>& address = std::nullopt);
  /// Sorted by creation; with `principal`, only its own.
  Result<std::vector<Session>> sessions(const std::optional<Principal>& principal);
  /// `id` is a session's id or a prefix of it that is at least 8 digits and matches one alone
  /// (kInvalid and kConflict otherwise). All zero if it matches none.
  Result<RowCounts> remove_session(std::string_view id);
  Result<RowCounts> remove_sessions_of(const Principal& principal);

  /// Stores the hash of `token`, for which check_token() must hold, as a link to the path, resting
  /// on `principal`'s own right to it. kConflict if that token has a link already.
  Result<TokenHash> create_link(const Principal& principal, const StorePath& path,
                                std::string_view token, const LinkTerms& terms);
  /// Sorted by creation; with `principal`, only its own.
  Result<std::vector<Link>> links(const std::optional<Principal>& principal);
  /// As remove_session().
  Result<RowCounts> remove_link(std::string_view id);
  /// The owner of the path, or of the nearest folder above it that has one.
  Result<std::optional<Principal>> nearest_owner(const StorePath& path);

  /// Adds a signing key and returns its id. It takes the URIs below its prefix from keys with a
  /// shorter one: have leases recalled. kConflict if there is one of that id, or one of the same
  /// secret and prefix for another path; kInvalid if the secret is too short or too long, or the
  /// prefix does not fit the format.
  Result<std::string> create_signing_key(const NewSigningKey& key);
  /// Sorted by creation.
  Result<std::vector<SigningKey>> signing_keys();
  /// kNotFound if there is none of that id.
  Result<UsableSigningKey> usable_signing_key(std::string_view id);
  /// Nothing that the key signed counts from `when` on. All zero if there is no such key.
  Result<RowCounts> retire_signing_key(std::string_view id, Timestamp when);
  /// Nothing that the key signed counts any more. All zero if there is no such key.
  Result<RowCounts> remove_signing_key(std::string_view id);

  /// Deletes every grant, membership, session and link that has expired.
  Result<RowCounts> prune();

  /// Has the database hold every row that `next` hands out: an owner in the place of any other, a
  /// grant or a membership with exactly this expiry, a link or a signing key of that id with all
  /// that is said of it. All of them or, on any error, none. The rows are read and compared before
  /// the database is locked for writing; what is as it should be is not written. kInvalid if two
  /// rows contradict each other: two owners of a path, two expiries, one id twice.
  Result<ImportCounts> import(const PolicyRowSource& next, const ImportOptions& options);

  /// Calls `take` for every owner, grant, membership, link and signing key, expired ones too, of
  /// one snapshot: the owners by path, the grants by path and principal, the memberships by group
  /// and member, links and keys by id; the keys with their secrets. An error that `take` returns
  /// ends it.
  Result<void> for_each_row(const std::function<Result<void>(const PolicyRow&)>& take);

  /// Whether live rules are on the path or below it. Cost: a few index seeks.
  Result<RulePresence> rules_about(const StorePath& path);

 private:
  struct Impl;
  explicit Admin(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace grantfs
