#include "policy/decisions/file_history.h"

#include <fmt/core.h>

#include <utility>

namespace grantfs {
namespace {

/// Whether a journal that connections may have open is no longer at its path.
bool cuts_off(const DatabaseFiles& before, const DatabaseFiles& now) {
  return (before.wal && before.wal != now.wal) || (before.shm && before.shm != now.shm);
}

/// Whether SQLite would replay the journal of the old database into the new one, and with it the
/// grants that the old one had. It may have been empty when we last saw it: what counts is
/// whether it is now.
bool keeps_old_journal(const DatabaseFiles& before, const DatabaseFiles& now) {
  return before.database != now.database && now.wal && !now.wal_empty && now.wal == before.wal;
}

Error old_journal(const std::filesystem::path& database) {
  return {ErrorKind::kDatabase,
          fmt::format("{0} was replaced, but {0}-wal is still the old one's; remove {0}-wal and "
                      "{0}-shm",
                      database.string())};
}

}  // namespace

FileHistory::FileHistory(std::filesystem::path database,
                         std::optional<std::filesystem::path> source)
    : database_(std::move(database)), source_(std::move(source)) {}

bool FileHistory::is_replaced(const Look& now) const {
  return last_ && last_->database.database != now.database.database;
}

Result<void> FileHistory::follow(const Look& now) {
  if (last_) {
    const bool both_have_source = last_->source && now.source;
    if (keeps_old_journal(last_->database, now.database)) return old_journal(database_);
    if (both_have_source && keeps_old_journal(*last_->source, *now.source)) {
      return old_journal(*source_);
    }
    cut_off_ |= !is_replaced(now) && cuts_off(last_->database, now.database);
    cut_off_ |= both_have_source && (last_->source->database != now.source->database ||
                                     cuts_off(*last_->source, *now.source));
  }
  last_ = now;
  return {};
}

void FileHistory::note_database(const Look& opened, const DatabaseFiles& now) {
  if (now.database == opened.database.database && last_->database.database == now.database) {
    last_->database = now;
  }
}

void FileHistory::note_source(const Look& opened, const DatabaseFiles& now) {
  if (now.database == opened.source->database && last_->source->database == now.database) {
    last_->source = now;
  }
}

void FileHistory::mend() {
  faults_survived_ = db::shm_faults();
  cut_off_ = false;
}

Error FileHistory::torn() const {
  return {
      ErrorKind::kDatabase,
      fmt::format("{}-shm was truncated, or a journal taken away, under us", database_.string())};
}

}  // namespace grantfs
