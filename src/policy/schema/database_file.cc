#include "policy/schema/database_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "policy/feed/journal.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

/// check_has_one_name() of what statx(2) told, with STATX_NLINK and STATX_TYPE.
Result<void> check_one_name(const std::filesystem::path& database, const struct statx& status) {
  if (!S_ISREG(status.stx_mode)) return {};
  if (status.stx_nlink > 1) {
    return damaged(database,
                   "has another name (a hard link), through which others would write past us; "
                   "remove that: find DIRECTORY -samefile " +
                       database.string());
  }
  if ((status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    return damaged(database,
                   "is mounted by itself, and what SQLite keeps beside it is not; mount its "
                   "directory instead");
  }
  return {};
}

}  // namespace

Result<DatabaseFiles> identify_database(const std::filesystem::path& database,
                                        DirectoryMay others) {
  struct statx status = {};
  constexpr unsigned kWanted =
      STATX_INO | STATX_BTIME | STATX_TYPE | STATX_MODE | STATX_NLINK | STATX_SIZE;
  const auto look = [&](const std::string& path) {
    return ::statx(AT_FDCWD, path.c_str(), 0, kWanted, &status) == 0;
  };
  const auto identity = [&] {
    return DatabaseFiles::File{status.stx_dev_major, status.stx_dev_minor, status.stx_ino,
                               status.stx_btime.tv_sec, status.stx_btime.tv_nsec};
  };
  if (!look(database.native())) return damaged(database, std::strerror(errno));
  if ((status.stx_mode & S_IWOTH) != 0) return damaged(database, "may be written by anyone");
  if (others == DirectoryMay::kBeClosed) {
    if (auto one = check_one_name(database, status); !one) return one.error();
  }
  DatabaseFiles files;
  files.database = identity();
  if (look(database.native() + "-wal")) {
    files.wal = identity();
    files.wal_empty = status.stx_size == 0;
  }
  if (look(database.native() + "-shm")) files.shm = identity();
  const auto directory = database.has_parent_path() ? database.parent_path() : ".";
  if (others == DirectoryMay::kBeClosed) {
    // What was there at the start was ours.
    auto closed = check_directory_is_private(database, Claim::kOurs);
    if (!closed) return closed.error();
  } else if (!look(std::filesystem::path(directory).native()) || (status.stx_mode & S_IWOTH) != 0) {
    return damaged(database, "others may write to its directory, and so tamper with it");
  }
  return files;
}

Result<void> check_has_one_name(const std::filesystem::path& database) {
  struct statx status = {};
  if (::statx(AT_FDCWD, database.c_str(), 0, STATX_NLINK | STATX_TYPE, &status) != 0) return {};
  return check_one_name(database, status);
}

DatabaseWatch::DatabaseWatch(std::filesystem::path database, DirectoryMay others)
    : database_(std::move(database)),
      others_(others),
      events_(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  watch(*state_.lock());
}

void DatabaseWatch::watch(State& state) const {
  if (!events_) return;
  const auto directory = database_.has_parent_path() ? database_.parent_path() : ".";
  constexpr std::uint32_t kAllButContents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO |
                                            IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  const int before = std::exchange(
      state.watched, ::inotify_add_watch(events_.get(), directory.c_str(), kAllButContents));
  if (before >= 0 && before != state.watched) ::inotify_rm_watch(events_.get(), before);
}

bool DatabaseWatch::anything_happened() const {
  int bytes = 0;
  return !events_ || ::ioctl(events_.get(), FIONREAD, &bytes) != 0 || bytes > 0;
}

void DatabaseWatch::drain() const {
  // Whatever it is, it is looked for. On overflow there is an event too.
  alignas(inotify_event) std::array<char, 4096> buffer{};
  while (events_ && ::read(events_.get(), buffer.data(), buffer.size()) > 0) {
  }
}

Result<DatabaseFiles> DatabaseWatch::look() {
  constexpr std::chrono::milliseconds kLookEvery{10};
  // Under no lock, but before it is taken: whoever drains has it until he has looked.
  const bool happened = anything_happened();
  auto state = state_.lock();
  const auto now = SteadyClock::now();
  const bool fresh = state->watched >= 0 && now - state->looked < kLookEvery;
  if (!happened && state->files && fresh) return *state->files;
  drain();
  watch(*state);  // another directory may be at the path by now
  state->files.reset();
  auto files = identify_database(database_, others_);
  if (!files) return files;
  state->files = *files;
  state->looked = now;
  return files;
}

Result<void> check_may_be_opened(const std::filesystem::path& database) {
  if (auto secure = check_database_is_private(database); !secure) return secure;
  if (auto one = check_has_one_name(database); !one) return one;
  return check_journal_fits(database);
}

Result<db::Connection> open_for_changing(const std::filesystem::path& database) {
  if (auto may = check_may_be_opened(database); !may) return may.error();
  return db::Connection::open(database, db::Mode::kWrite);
}

Result<db::Connection> open_for_reading(const PolicyOptions& options, DatabaseFiles::File file) {
  if (auto secure = check_database_is_private(options.database); !secure) return secure.error();
  auto connection = db::Connection::open(options.database, db::Mode::kRead);
  if (!connection) return connection.error();
  connection->set_busy_timeout(options.busy_timeout);
  connection->limit_time(options.time_limit);
  if (auto fit = check_schema(*connection, options.database); !fit) return fit.error();
  if (auto fit = check_tables(*connection, options.database); !fit) return fit.error();

  // SQLite has the file open by now: if it is still the one at the path, it is `file`.
  auto opened = identify_database(options.database);
  if (!opened) return opened.error();
  if (opened->database != file)
    return damaged(options.database, "was replaced while it was being opened");
  return connection;
}

Error damaged(const std::filesystem::path& database, std::string_view what) {
  return {ErrorKind::kDatabase, fmt::format("{}: {}", database.string(), what)};
}

}  // namespace grantfs
