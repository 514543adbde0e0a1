#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "db/shm_guard.h"
#include "grantfs/result.h"
#include "policy/schema/database_file.h"

namespace grantfs {

/// The files that the databases were at the last question. They say whether open connections may be
/// believed: this is the Trust of a db::ConnectionPool. Not thread-safe; the pool calls it under
/// its lock.
class FileHistory {
 public:
  /// The files that one question found.
  struct Look {
    DatabaseFiles database;
    std::optional<DatabaseFiles> source;  ///< none: there is no source
  };

  /// The paths are for messages.
  FileHistory(std::filesystem::path database, std::optional<std::filesystem::path> source);

  /// Whether another file is in the policy database's place.
  bool is_replaced(const Look& now) const;

  /// Takes these files for the databases' from now on. kDatabase if SQLite would replay the journal
  /// of an old database into a new one.
  Result<void> follow(const Look& now);

  /// Notes the journal that opening a connection may have made, and that `now` has. The journal
  /// must be known as this database's before the database is replaced. `opened` is the argument
  /// that follow() had.
  void note_database(const Look& opened, const DatabaseFiles& now);
  void note_source(const Look& opened, const DatabaseFiles& now);

  /// Whether a -shm file was truncated under a connection, or a journal is another file than the
  /// one that connections have open. Such connections would never hear of commits through the new
  /// file.
  bool is_torn() const { return cut_off_ || faults_survived_ != db::shm_faults(); }
  /// Says that all connections from before the damage are closed.
  void mend();
  Error torn() const;

  template <class Kind>
  bool is_current(const Kind& connection) const {
    return last_ && last_->database.database == connection.file();
  }

 private:
  std::filesystem::path database_;
  std::optional<std::filesystem::path> source_;
  std::optional<Look> last_;  ///< as of the last follow()
  std::uint64_t faults_survived_ = db::shm_faults();
  bool cut_off_ = false;
};

}  // namespace grantfs
