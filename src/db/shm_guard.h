#pragma once

#include <cstdint>

namespace grantfs::db {

/// SQLite maps a WAL database's -shm file into memory. Whoever truncates that file makes the next
/// access to it SIGBUS (mmap(2)), which would end the process. With the guard installed, the page
/// becomes one of zeros instead, private to this process, and the fault is counted.
///
/// SQLite then finds an empty index and makes a new one; but what it reads through it no longer
/// follows other processes' commits. So after a fault nothing read may be believed until every
/// connection that was open at the time has been closed.
///
/// Once, at the start of the program, before there are threads: it unblocks SIGBUS, which no thread
/// may block (base/quiet_thread.h). Any other SIGBUS is left to whatever handled it before.
void install_shm_guard();

/// Faults caught so far. Any thread.
std::uint64_t shm_faults();

}  // namespace grantfs::db
