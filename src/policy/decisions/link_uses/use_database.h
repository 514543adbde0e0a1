#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "db/connection.h"
#include "grantfs/policy.h"
#include "policy/decisions/link_uses/use_counter.h"

namespace grantfs {

/// Counts uses in a state database beside the policy database, which stays read-only to the daemon.
/// Daemons on one policy count together. There is no state database until there is something to
/// count.
///
/// A use that is counted is on the disk: the database is a WAL with synchronous=FULL, so each new
/// use costs one fsync, and after a power cut no use that had begun is forgotten. (With NORMAL
/// there would be no fsync, and the last uses could be had again.)
class UseDatabase : public UseCounter {
 public:
  /// The path of the state database: the policy database's path and ".state".
  static std::filesystem::path path_for(const std::filesystem::path& policy_database);

  /// `policy` must outlive it: uses of links that it does not know are dropped.
  UseDatabase(Policy& policy, std::filesystem::path database, Clock clock = system_now);

  Result<std::optional<LinkUse>> count(const LinkClient& who, std::int64_t most,
                                       std::chrono::seconds window) override;

 private:
  /// count(), with a connection that may be believed, opened if need be.
  Result<std::optional<LinkUse>> count_on_disk(const LinkClient& who, std::int64_t most,
                                               std::chrono::seconds window);
  /// count(), in a transaction.
  Result<std::optional<LinkUse>> count_in(db::Connection& connection, const LinkClient& who,
                                          std::int64_t most, std::chrono::seconds window);
  Result<std::unique_ptr<db::Connection>> open();
  Result<void> drop_unknown_links(db::Connection& connection);

  Policy& policy_;
  const std::filesystem::path database_;
  const Clock clock_;
  std::unique_ptr<db::Connection> connection_;
  std::uint64_t faults_survived_ = 0;  ///< db::shm_faults() when it was opened
};

}  // namespace grantfs
