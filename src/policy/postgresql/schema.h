#pragma once

#include <string>
#include <vector>

#include "grantfs/admin.h"
#include "postgres/connection.h"

namespace grantfs {

/// Opens a connection to the policy in a PostgreSQL database, for changes: statements wait 5
/// seconds at most for a lock. kDatabase unless the policy there is of exactly this program's
/// schema.
Result<postgres::Connection> open_postgresql_policy(const std::string& where);

}  // namespace grantfs
