#pragma once

#include <filesystem>

#include "grantfs/admin.h"
#include "grantfs/result.h"

namespace grantfs {

/// What restore_database() did.
struct RestoreOutcome {
  RowCounts rows;      ///< the rows that the policy has now, by table
  int migrations = 0;  ///< versions of the schema between the backup's and this program's
  bool knew_blank_paths = false;  ///< as in Initialized, of the backup
};

/// Copies the policy database as of its newest commit to `file`. Other programs may write to the
/// database meanwhile. The copy takes the place of a regular file of that name; it has mode 0600,
/// because it holds the secrets of signing keys; it is one file, without a -wal; and it is on the
/// disk when this returns. kInvalid if `file` is something else than a regular file, or is the
/// database; kDatabase or kSystem on any other trouble. On an error, nothing has changed. Any
/// thread.
Result<void> backup_database(const std::filesystem::path& database,
                             const std::filesystem::path& file);

/// Makes the policy what it was in `file`, which is a copy of a policy database (by
/// backup_database() or by other means). One transaction replaces the contents of the
/// database: the file's owner, group and mode stay, readers see the policy of before or that of the
/// backup, and daemons decide anew all that they have lent. A backup of an older schema is
/// migrated. A database that is not there is made first, as by init_database(). kDatabase if `file`
/// is no policy database, is damaged, or has a newer schema; kNotFound if it is not there; kInvalid
/// if it is the database itself. On an error, the policy has not changed. Any thread.
Result<RestoreOutcome> restore_database(const std::filesystem::path& database,
                                        const std::filesystem::path& file);

}  // namespace grantfs
