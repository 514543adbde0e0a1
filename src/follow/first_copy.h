#pragma once

#include <filesystem>
#include <string>

#include "follow/upstream.h"
#include "grantfs/result.h"
#include "postgres/connection.h"

namespace grantfs::follow {

/// Checks that the database may become a copy: it is one, or holds no rules, or is not there.
/// kInvalid if it is somebody's own.
Result<void> check_may_become_copy(const std::filesystem::path& database);

/// Makes the slot, and the database a copy of what the upstream has at the position from which on
/// the slot sends: both are of one snapshot. A slot of that name is dropped first. The copy is made
/// in a file beside the database, and replaces its contents when it is whole, as a backup does that
/// is restored; the database keeps its inode key. On an error the database is as it was.
Result<void> make_first_copy(const std::filesystem::path& database, postgres::Connection& ordinary,
                             postgres::Connection& replication, const UpstreamState& upstream,
                             const std::string& slot);

/// Removes what a follower that was killed has left beside the database.
void remove_leftovers(const std::filesystem::path& database);

}  // namespace grantfs::follow
