#pragma once

#include <filesystem>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs {

/// Makes the contents of the policy database at `database` those of another, `with`, which is of
/// our schema. One transaction of the database replaces them: the file's owner, group and mode
/// stay, readers see those of before or the new ones, and daemons decide anew all that they have
/// lent. A database that is not there is made first, as by init_database(). kDatabase or kSystem on
/// any trouble; then nothing has changed. `with` is changed: it notes which file it stands in for.
Result<void> replace_contents(db::Connection& with, const std::filesystem::path& database);

}  // namespace grantfs
