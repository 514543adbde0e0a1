#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/sync.h"
#include "base/unique_fd.h"
#include "db/connection.h"
#include "grantfs/policy.h"

namespace grantfs {

/// The files of a database, kept to notice that another has taken its place.
struct DatabaseFiles {
  struct File {
    std::uint32_t device_major = 0;
    std::uint32_t device_minor = 0;
    std::uint64_t inode = 0;
    /// Birth time: ext4 gives the inode number of a file just deleted to the next one at once.
    std::int64_t born_seconds = 0;
    std::uint32_t born_nanoseconds = 0;
    friend bool operator==(const File&, const File&) = default;
  };
  File database;
  std::optional<File> wal;  ///< the -wal file, empty or not
  bool wal_empty = true;    ///< there is nothing in it to replay
  std::optional<File> shm;  ///< the -shm file, through which connections tell each other of commits
  friend bool operator==(const DatabaseFiles&, const DatabaseFiles&) = default;
};

/// The use that others may make of a database's directory.
enum class DirectoryMay {
  kBeClosed,  ///< nothing: of a policy database
  kBeRead,    ///< anything but write to it: of an application's own
};

/// The files at `database` now; an error if there is none, or others may write to it, or do with
/// its directory what they may not, or a policy database has more than one name
/// (check_has_one_name()).
Result<DatabaseFiles> identify_database(const std::filesystem::path& database,
                                        DirectoryMay others = DirectoryMay::kBeClosed);

/// identify_database(), asked again and again: the directory is watched (inotify(7)), and looked at
/// only when something but the files' contents has changed in it, or 10 ms have passed, for a
/// folder further up may be moved. Costs one system call otherwise, under no lock. Thread-safe: a
/// caller that asks after a change gets the files after it.
class DatabaseWatch {
 public:
  explicit DatabaseWatch(std::filesystem::path database,
                         DirectoryMay others = DirectoryMay::kBeClosed);

  Result<DatabaseFiles> look();

 private:
  using SteadyClock = std::chrono::steady_clock;
  struct State {
    int watched = -1;                    ///< inotify(7)'s number of the directory; -1: none
    std::optional<DatabaseFiles> files;  ///< none: to be looked at
    SteadyClock::time_point looked{};
  };
  /// Whether anything happened that nobody has looked at yet, or we cannot know.
  bool anything_happened() const;
  /// Takes note of what happened: it is about to be looked at.
  void drain() const;
  /// Watches the directory that is at the path now.
  void watch(State& state) const;

  const std::filesystem::path database_;
  const DirectoryMay others_;
  const UniqueFd events_;
  Sync<State, BriefMutex> state_;
};

/// The database must have one name: what SQLite keeps beside it (-wal, -shm), and the daemons that
/// run on it, are found by that. kDatabase if it has hard links, or is a mount point by itself (a
/// container that was given the file alone). Not there: no error here.
Result<void> check_has_one_name(const std::filesystem::path& database);

/// What must hold before SQLite opens a policy database: it is closed to others
/// (check_database_is_private()), has one name, and the -wal beside it is its own
/// (check_journal_fits()).
Result<void> check_may_be_opened(const std::filesystem::path& database);

/// A connection for changes of the database, which must be there. check_may_be_opened() is asked;
/// not whether it is a policy, of our schema.
Result<db::Connection> open_for_changing(const std::filesystem::path& database);

/// A read-only connection to the database, which must be `file` and fit to be believed: closed to
/// others, ours, of our schema. kDatabase, kInvalid or kNotFound otherwise.
Result<db::Connection> open_for_reading(const PolicyOptions& options, DatabaseFiles::File file);

/// The error for a database with contents that it must not have. It names the path, and says what
/// is wrong.
Error damaged(const std::filesystem::path& database, std::string_view what);

}  // namespace grantfs
