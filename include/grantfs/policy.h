#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grantfs/decision.h"
#include "grantfs/identity.h"
#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/source.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

namespace grantfs {

/// The reasons for which the feed does not explain a commit.
enum class Unexplained : std::uint8_t {
  kForeignCommit,  ///< the policy's revision did not rise: a table of somebody else's, as a rule
  kSchema,         ///< the schema was changed, or the triggers are not ours
  kPositionLost,   ///< at the start, after an error, another database, rows of the feed missing
  kTooMany,        ///< more losses at once than are worth telling apart
  kKeys,           ///< a key for MD5 may lead URIs elsewhere
  kSource,         ///< a commit to the source's database, which has no feed
};

/// What commits took away between two calls of Policy::losses(), as triggers of the database
/// recorded it. Each value once, sorted. Rights that merely expired are not among them.
struct Losses {
  /// A rule on exactly this path is gone or less: somebody may have lost the path, all below it,
  /// and the way to it through the folders above.
  std::vector<StorePath> paths;
  /// Principals that left a group, or that leave one earlier than before. Everybody who counts as
  /// one of them may have lost anything. Such a principal may be a group itself, or public.
  std::vector<Principal> members;
  /// Sessions and links that are gone, or less than they were: they end earlier, are another
  /// principal's, bound to an address now, or lead elsewhere.
  std::vector<TokenHash> tokens;
  /// The feed does not say what a commit took away: assume that anything was lost. The lists above
  /// are empty then.
  bool unexplained = false;
  Unexplained why{};  ///< of meaning if `unexplained`
  /// There was a commit. Access may have been lost even where the lists are empty: a writer that
  /// turns triggers off (SQLITE_DBCONFIG_ENABLE_TRIGGER) writes no feed, and a later commit with
  /// triggers hides that from us by raising the revision.
  bool committed = false;

  bool empty() const { return paths.empty() && members.empty() && tokens.empty() && !unexplained; }
};

/// The groups that the system gives a uid, primary group included; empty on any failure.
using SystemGroups = std::function<std::vector<gid_t>(uid_t)>;

/// The system's group database (getpwuid_r, getgrouplist). An answer is kept for at most one
/// second, and no longer than /etc/passwd and /etc/group stay as they were. One question about a
/// uid is asked at a time, and four about all; while four are under way, as when a directory
/// service is slow, an answer about another uid is kept for up to ten seconds.
SystemGroups system_groups();

struct PolicyOptions {
  std::filesystem::path database;
  Clock clock = system_now;
  SystemGroups groups = system_groups();
  /// An application's own database that decides besides, as much as if its rows were grants.
  std::optional<SourceConfig> source{};
  /// How long a decision waits for a lock that another process holds before it denies.
  std::chrono::milliseconds busy_timeout{100};
  /// How long the statements of one call may take together before the call is an error, so that the
  /// next caller need not wait; for list(), which may have much to say, ten times as long.
  std::chrono::milliseconds time_limit{1000};
  /// Asked before each decision, for a copy of a database elsewhere, which may be out of date: an
  /// error becomes the decision's. Often, from any thread; it must be quick. None: a database is
  /// always current.
  std::function<Result<void>()> check_current{};
};

/// Decisions against a policy database, always its newest commit.
///
/// The database is opened read-only and never trusted further than its contents: it must be ours
/// (application_id), of a schema this program knows, in a directory closed to others, and not
/// writable by others. Every call checks that the file is still the one that was opened and
/// follows a replacement; a database that is missing, foreign, damaged, locked for longer than
/// busy_timeout or newer than the program gives an error, and callers deny. The next call tries
/// again, so service resumes by itself.
///
/// Each call is one read transaction and a number of index seeks that depends on the depth of the
/// path and the number of principals the identity stands for, never on the number of rows.
///
/// Thread-safe: any method, any thread.
class Policy {
 public:
  /// Opens and checks the database now, so that a program can refuse to start. Whether it is
  /// current is not asked here, but at the first decision.
  static Result<std::unique_ptr<Policy>> open(PolicyOptions options);
  ~Policy();
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  /// May the identity see this path? kDatabase on any trouble: deny.
  Result<Decision> decide(const Identity& identity, const StorePath& path);

  /// Where the identity's view begins. kClosed if there is no view of it: then `root` means
  /// nothing.
  Result<ViewRoot> view_root(const Identity& identity);

  /// Whether the token was a session's or a link's, of which the database still knows, and is not
  /// any more since it has expired.
  Result<bool> has_expired(const TokenHash& token);

  /// Whether a key made the signature, and its time has passed.
  Result<bool> has_expired(const Signature& signature);
  /// What the MD5 opened at this URI until its time passed: kRead, as decide() says it. kClosed if
  /// no key made it, or its time has not passed.
  Result<Decision> expired(const Md5Bearer& bearer, const StorePath& uri);

  /// Whether the database knows such a link, live or not.
  Result<bool> knows_link(const TokenHash& link);

  /// Every principal that counts as this one by memberships, the principal itself first, expired
  /// memberships included; if there are more than `most`, no more are looked for. The cost follows
  /// their number.
  Result<std::vector<Principal>> count_as(const Principal& principal, std::size_t most);

  /// What may the identity see in this folder? The cost follows the number of names returned.
  Result<Listing> list(const Identity& identity, const StorePath& folder);

  /// decide(), with reasons. Slower; agrees with decide() always.
  Result<Explanation> explain(const Identity& identity, const StorePath& path);

  /// What commits have taken away since the last call, whoever made them. Granting and extending
  /// give nothing; a loss may be named that was none. Whatever the feed does not account for is
  /// `unexplained`:
  ///
  /// - the first call, which only takes the position, and the first one after an error;
  /// - another file in the database's place, even if the first one is back;
  /// - a commit that left meta.revision as it was or lowered it: one that passed the triggers by,
  ///   an older copy put back; but also one to a table of somebody else's, VACUUM, or a transaction
  ///   whose every statement failed, which change nothing (a checkpoint is no commit);
  /// - rows of the feed missing, not to be understood, or more than 1,000 at once;
  /// - another key for MD5, or less than there was, where that may lead a URI elsewhere;
  /// - any commit to the database of the source, which has no feed;
  /// - any change of the schema, and then every commit for as long as the triggers are not exactly
  ///   those that init makes.
  ///
  /// kDatabase on any trouble: assume everything then, too. Where nothing was committed, a call
  /// costs two statx and one step of `PRAGMA data_version`, and allocates only the -wal's name.
  /// Concurrent calls take turns, and each loss is told to one of them.
  Result<Losses> losses();

  /// The database in PostgreSQL that this one is a copy of, as its URI without a password; empty if
  /// it is no copy.
  Result<std::string> copy_of();

  /// The key that the database holds for hashing the store's inode numbers, made by init.
  Result<std::array<unsigned char, 16>> inode_key();

  /// The indexes that the queries of the source lack, each as the SQL that makes it. None if all is
  /// well, or there is no source.
  Result<std::vector<std::string>> source_advice();

  /// The query plan (EXPLAIN QUERY PLAN) of every statement used above: a test reads them.
  Result<std::vector<std::string>> query_plans();

 private:
  class Connections;
  explicit Policy(std::unique_ptr<Connections> connections);

  std::unique_ptr<Connections> connections_;
};

}  // namespace grantfs
