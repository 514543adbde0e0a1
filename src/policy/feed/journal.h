#pragma once

#include <filesystem>

#include "db/connection.h"
#include "grantfs/result.h"

namespace grantfs {

/// Whether the -wal beside a database can be its own. SQLite cannot tell: it replays whatever lies
/// there into whatever database was put beside it, and a restored backup becomes a mixture.
/// To be asked before SQLite opens the database. kDatabase, saying what to do, if the -wal holds
/// something and
///
///  - is older than the database (birth times): a copy was put in its place. SQLite makes the -wal
///    later than its database;
///  - or the database was put in its place by a rename: it is not the file that it was made as
///    (note_file()), and was renamed since it was last written, and since the -wal was.
///
/// What this does not tell: the bytes of a backup written into the very same file, without that
/// file system's knowing of it; and anything where the file system keeps no birth times.
Result<void> check_journal_fits(const std::filesystem::path& database);

/// Notes in the database which file it is, so that a copy of it can be told from it.
Result<void> note_file(db::Connection& connection, const std::filesystem::path& database);

}  // namespace grantfs
