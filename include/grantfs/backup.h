#pragma once

#include <filesystem>

#include "grantfs/admin.h"
#include "grantfs/result.h"

namespace grantfs {

/// What restore_database() made the policy.
struct RestoreOutcome {
  RowCounts rows;                 ///< that it has now
  int migrations = 0;             ///< that brought an older backup up to this program's schema
  bool knew_blank_paths = false;  ///< as in Initialized, of the backup
};

/// Copies the policy database as of its newest commit, whatever others write meanwhile, to `file`,
/// in the place of any regular file of that name, with mode 0600: it holds the secrets of signing
/// keys. The copy is one file, needs none beside it, and is on the disk when this returns.
/// kInvalid if `file` is something else, or the database itself; kDatabase and kSystem otherwise,
/// and then nothing has changed.
Result<void> backup_database(const std::filesystem::path& database,
                             const std::filesystem::path& file);

/// Makes the policy what it was in `file`, a copy of a policy database by whatever means, in one
/// transaction of the database in place: its owner, group and mode stay, whoever has it open sees
/// the one policy or the other, and daemons notice, as of a change that nobody explains. An older
/// schema is migrated. The database is made first, as init_database() does, if it is not there.
/// kDatabase if `file` is no policy database, damaged, or newer; kNotFound if it is not there;
/// kInvalid if it is the database itself: then nothing has changed.
Result<RestoreOutcome> restore_database(const std::filesystem::path& database,
                                        const std::filesystem::path& file);

}  // namespace grantfs
