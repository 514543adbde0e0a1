#pragma once

namespace grantfs::db {

/// From now on SQLite opens regular files and directories only. Whoever may write to the directory
/// of a database, such as an application in that of its own, could put a FIFO in the place of a
/// journal, and whoever opens that to read would wait for ever; or a link to a device, or to a file
/// that is not his, which SQLite would write to. For the whole process; any thread, any number of
/// times.
void use_own_open();

}  // namespace grantfs::db
