#pragma once

namespace grantfs::db {

/// Makes SQLite open regular files and directories only, from now on. An application that may write
/// to the directory of its own database could put a FIFO in the place of a journal, and a reader
/// would wait for it for ever. It could also put a link there to a device, or to a file of another
/// user, which SQLite would write to. The call is for the whole process. Any thread, any number of
/// times.
void use_own_open();

}  // namespace grantfs::db
