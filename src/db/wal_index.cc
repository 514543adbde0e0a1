#include "db/wal_index.h"

#include <atomic>
#include <cstddef>

namespace grantfs::db {

std::optional<WalIndex> WalIndex::of(sqlite3* handle) {
  sqlite3_file* file = nullptr;
  constexpr int kFirstWithSharedMemory = 2;  // sqlite3_io_methods.iVersion
  if (sqlite3_file_control(handle, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
      file == nullptr || file->pMethods == nullptr ||
      file->pMethods->iVersion < kFirstWithSharedMemory) {
    return std::nullopt;
  }
  constexpr int kRegionBytes = 32768;  // SQLite has only this size: WALINDEX_PGSZ in its wal.c
  void volatile* region = nullptr;
  if (file->pMethods->xShmMap(file, 0, kRegionBytes, 0, &region) != SQLITE_OK ||
      region == nullptr) {
    return std::nullopt;
  }
  return WalIndex(static_cast<const std::uint32_t*>(const_cast<void*>(region)));
}

std::optional<CommitStamp> WalIndex::newest_commit() const {
  // The header has two copies. A writer changes the second copy first, so readers begin with the
  // first.
  const auto read_copy = [this](std::size_t copy) {
    CommitStamp stamp;
    for (std::size_t i = 0; i < stamp.size(); ++i) {
      stamp[i] = __atomic_load_n(header_ + copy * stamp.size() + i, __ATOMIC_RELAXED);
    }
    return stamp;
  };
  const CommitStamp first = read_copy(0);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const CommitStamp second = read_copy(1);
  constexpr std::uint32_t kFormat = 3007000;
  if (first != second || first[0] != kFormat) return std::nullopt;
  return first;
}

bool only_restarted(const CommitStamp& before, const CommitStamp& after) {
  // Places in the header: the change counter, the page size, the frames of the journal, the pages
  // of the database, the salts (https://sqlite.org/walformat.html, 2.1.1). After a recovery the
  // change counter begins anew. But then the frames are those of another commit, or the number of
  // pages is that of an emptied database.
  constexpr std::size_t kChanges = 2;
  constexpr std::size_t kPageSize = 3;
  constexpr std::size_t kFrames = 4;
  constexpr std::size_t kPages = 5;
  constexpr std::size_t kSalt = 8;
  return after[kFrames] == 0 && before[kChanges] == after[kChanges] &&
         before[kPageSize] == after[kPageSize] && before[kPages] == after[kPages] &&
         before[kSalt] != after[kSalt];
}

}  // namespace grantfs::db
