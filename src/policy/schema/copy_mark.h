#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs {

/// What the table `meta` says of a policy database that is a copy of one in PostgreSQL, its
/// upstream: which, and how far it has come. Texts are never empty in a copy.
struct CopyMark {
  std::string upstream;  ///< for people: its URI without a password
  std::string system;    ///< the upstream's system identifier
  std::int64_t timeline = 0;
  std::string publication;  ///< tells whether the upstream has published the same since
  std::string slot;         ///< the replication slot that sends what comes next
  /// The position in the upstream's log behind all that has been applied, as pg_lsn prints it.
  std::string lsn;
};

/// The mark; none if the database is no copy. kDatabase if there is a part of one only.
Result<std::optional<CopyMark>> read_copy_mark(db::Connection& connection);
/// Writes the whole mark. To be called in a transaction.
Result<void> write_copy_mark(db::Connection& connection, const CopyMark& mark);
/// Writes how far a copy has come. To be called in the transaction of what has been applied.
Result<void> write_copy_position(db::Connection& connection, const std::string& lsn);
/// Makes a database that was a copy one of its own.
Result<void> remove_copy_mark(db::Connection& connection);

/// kConflict, naming the upstream, if the database is a copy: only its follower changes it.
Result<void> check_is_no_copy(db::Connection& connection);

}  // namespace grantfs
