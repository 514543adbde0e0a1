#pragma once

#include <sqlite3.h>

#include <array>
#include <cstdint>
#include <optional>

namespace grantfs::db {

/// The mark of a WAL database's newest commit: the header of the WAL-index, whose change counter,
/// salts and checksums every commit changes (https://sqlite.org/walformat.html, 2.1.1).
using CommitStamp = std::array<std::uint32_t, 12>;

/// Whether nothing was committed between the two headers, and only the journal was begun anew after
/// a checkpoint. A writer does that first of all, well before it commits, so that a reader in
/// between finds another header and the same contents (walRestartHdr() in SQLite's wal.c).
bool only_restarted(const CommitStamp& before, const CommitStamp& after);

/// The header of a database's WAL-index, where SQLite has it mapped: the newest commit is read from
/// memory, without a system call. As long as the connection whose mapping it is; one thread at a
/// time.
class WalIndex {
 public:
  /// The index of an open connection's database, whose journal must be a WAL: asking for the
  /// mapping in any other mode would make a -shm file. None if there is no such mapping.
  static std::optional<WalIndex> of(sqlite3* handle);

  /// None while a commit is being written.
  std::optional<CommitStamp> newest_commit() const;

 private:
  explicit WalIndex(const std::uint32_t* header) : header_(header) {}

  const std::uint32_t* header_;
};

}  // namespace grantfs::db
