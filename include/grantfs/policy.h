#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "grantfs/identity.h"
#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

namespace grantfs {

/// What the policy says of one identity and one path. It knows nothing of what the store holds:
/// a file need not exist to be granted, and a path that exists may be none's.
enum class Access {
  kClosed,   ///< the identity itself is void: no such session, expired, or bound elsewhere
  kNone,     ///< no live rule covers the path, and none lies below it
  kPassage,  ///< a live rule lies below: a folder of this name is shown, to lead there
  kRead,     ///< a live rule on the path or on a folder above it: may be read
};

/// One name in a folder of which only parts are visible.
struct ListedName {
  std::string name;
  Access access;  ///< kPassage or kRead
};

/// What an identity may see in a folder. With kRead, everything the store has there, and `names`
/// is empty; with kPassage, of what the store has there, `names` alone (sorted, each once).
struct Listing {
  Access access = Access::kNone;
  std::vector<ListedName> names;
};

/// A row that lets somebody in: ownership or a grant.
struct Rule {
  enum class Kind { kOwner, kGrant };
  Kind kind;
  Principal principal;
  StorePath path;
  Expiry expires;  ///< of the grant; an ownership never expires
};

/// Why access is what it is, for people.
struct Explanation {
  Access access = Access::kNone;
  /// The session, if the identity is one: unset where no such session exists.
  struct Session {
    Principal principal;
    Expiry expires;
    std::string address;  ///< empty: not bound to one
  };
  std::optional<Session> session;
  /// The rule that allows; unset unless access is kRead.
  std::optional<Rule> rule;
  /// How the identity comes to be the rule's principal: its own principal first, the rule's last.
  std::vector<Principal> membership;
  /// What would allow it, had it not expired: grants as they are, and grants reached only through
  /// an expired membership. Nearest path first.
  std::vector<Rule> expired;
  /// Who else the path is open to: the owner of the path or of the nearest folder above it.
  std::optional<Rule> owner;
};

/// The groups that the system gives a uid, primary group included; empty on any failure.
using SystemGroups = std::function<std::vector<gid_t>(uid_t)>;

/// The system's group database (getpwuid_r, getgrouplist). An answer is kept for at most one
/// second, and no longer than /etc/passwd and /etc/group stay as they were.
SystemGroups system_groups();

struct PolicyOptions {
  std::filesystem::path database;
  Clock clock = system_now;
  SystemGroups groups = system_groups();
  /// How long a decision waits for a lock that another process holds before it denies.
  std::chrono::milliseconds busy_timeout{100};
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
  /// Opens and checks the database now, so that a program can refuse to start.
  static Result<std::unique_ptr<Policy>> open(PolicyOptions options);
  ~Policy();
  Policy(const Policy&) = delete;
  Policy& operator=(const Policy&) = delete;

  /// May the identity see this path? kDatabase on any trouble: deny.
  Result<Access> decide(const Identity& identity, const StorePath& path);

  /// What may the identity see in this folder? The cost follows the number of names returned.
  Result<Listing> list(const Identity& identity, const StorePath& folder);

  /// decide(), with reasons. Slower; agrees with decide() always.
  Result<Explanation> explain(const Identity& identity, const StorePath& path);

  /// The key that the database holds for hashing the store's inode numbers, made by init.
  Result<std::array<unsigned char, 16>> inode_key();

  /// The query plan (EXPLAIN QUERY PLAN) of every statement used above: a test reads them.
  Result<std::vector<std::string>> query_plans();

 private:
  class Readers;
  explicit Policy(std::unique_ptr<Readers> readers);

  std::unique_ptr<Readers> readers_;
};

}  // namespace grantfs
