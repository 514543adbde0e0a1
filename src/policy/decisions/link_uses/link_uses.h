#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/sync.h"
#include "db/connection.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"
#include "grantfs/timestamp.h"
#include "grantfs/token.h"

namespace grantfs {

/// Counts how often each client has used the links whose uses are limited (links.uses).
///
/// A use begins at the link's door and lasts for a window. All requests within the window belong to
/// that use, so that a player's ranges or a preview do not count one by one. A use is counted
/// before it begins, in a state database beside the policy database, which stays read-only to the
/// daemon. Daemons on one policy count together. There is no state database until there is
/// something to count.
///
/// A use that is counted is on the disk: the database is a WAL with synchronous=FULL, so each new
/// use costs one fsync, and after a power cut no use that had begun is forgotten. (With NORMAL
/// there would be no fsync, and the last uses could be had again.)
///
/// Thread-safe. Uses under way are kept in memory, under a lock of their own that is never held
/// over a system call. Only a new use waits for the disk, or for another new use that does.
class LinkUses {
 public:
  /// The path of the state database: the policy database's path and ".state".
  static std::filesystem::path database_for(const std::filesystem::path& policy_database);

  LinkUses(Policy& policy, std::filesystem::path database, std::chrono::seconds window,
           Clock clock = system_now);

  /// Counts a use, if the client at the door has none under way. Returns the end of the use; none
  /// if the client has used the link `uses` times. `client` is empty if clients are not told apart.
  /// kDatabase if the use cannot be counted: deny. Any number of simultaneous calls for one client
  /// are one use.
  Result<Expiry> enter(const TokenHash& link, std::string_view client, std::int64_t uses);

  /// The end of the use that the client has under way, if any. Counts nothing. The end is still
  /// returned for kGrace after it has passed, for a client that passed the door at the last moment.
  /// Never waits for a disk, because every lookup behind a door asks.
  static constexpr std::chrono::seconds kGrace{1};
  Expiry current(const TokenHash& link, std::string_view client, std::int64_t uses);

 private:
  using Key = std::pair<TokenHash, std::string>;
  /// A client's uses of a link, the last of them begun at `began`.
  struct Use {
    std::int64_t used = 0;
    Timestamp began;
  };
  using UnderWay = std::map<Key, Use>;
  /// What counts. Its lock is taken before that of `under_way_`, never after it.
  struct Counter {
    std::unique_ptr<db::Connection> connection;
    std::uint64_t faults_survived = 0;  ///< db::shm_faults() when it was opened
  };

  /// When the use ends that is under way, as far as memory knows.
  Expiry known_end(const Key& key, std::int64_t uses, std::chrono::seconds grace);
  /// What is to be kept in memory of a use that was counted, by this or another daemon.
  void keep(const Key& key, const Use& use);
  /// count(), with a connection that may be believed, opened if need be.
  Result<std::optional<Use>> count_on_disk(Counter& counter, const Key& key, std::int64_t uses);
  Result<std::unique_ptr<db::Connection>> open();
  /// Uses of links that the policy does not know any more.
  Result<void> drop_unknown_links(db::Connection& connection);
  /// The client's uses with one more, if one has to begin; none if that would be one too many.
  Result<std::optional<Use>> count(db::Connection& connection, const Key& key, std::int64_t uses);
  /// When the use ends, if it is under way, or has been within `grace`.
  Expiry end_of(const Use& use, std::int64_t uses, std::chrono::seconds grace) const;

  Policy& policy_;
  const std::filesystem::path database_;
  const std::chrono::seconds window_;
  const Clock clock_;
  Sync<UnderWay> under_way_;
  Sync<Counter> counter_;
};

}  // namespace grantfs
