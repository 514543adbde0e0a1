#include "db/copy_database.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <thread>

#include "db/error.h"

namespace grantfs::db {

Result<void> copy_database(Connection& from, Connection& to, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kPause{20};
  const auto deadline = std::chrono::steady_clock::now() + patience;
  sqlite3_backup* copying =
      sqlite3_backup_init(to.handle_.get(), "main", from.handle_.get(), "main");
  if (copying == nullptr) return last_error(to.handle_.get());
  int result = SQLITE_OK;
  while (true) {
    result = sqlite3_backup_step(copying, -1);
    const bool locked = (result & 0xff) == SQLITE_BUSY || (result & 0xff) == SQLITE_LOCKED;
    if (!locked || std::chrono::steady_clock::now() > deadline) break;
    std::this_thread::sleep_for(kPause);
  }
  const int finished = sqlite3_backup_finish(copying);
  if (result == SQLITE_DONE && finished == SQLITE_OK) return {};
  return Error{ErrorKind::kDatabase,
               fmt::format("cannot copy the database: {}",
                           sqlite3_errstr(finished != SQLITE_OK ? finished : result))};
}

}  // namespace grantfs::db
