#pragma once

#include <filesystem>

#include "grantfs/result.h"

namespace grantfs {

/// Where databases are kept by convention: /var/lib/grantfs/NAME/policy.db, one an application.
inline constexpr const char* kDatabaseHome = "/var/lib/grantfs";

/// The database meant when none is named: $GRANTFS_DB, else the only one under kDatabaseHome.
/// kNotFound if there is none, kConflict, with the list, if there are several.
Result<std::filesystem::path> default_database();

}  // namespace grantfs
