#include "policy/feed/journal.h"

#include "db/rows.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <tuple>

namespace grantfs {
namespace {

constexpr const char* kNote = "SELECT value FROM meta WHERE key = 'file'";

struct Looked {
  struct statx status = {};
  bool has_birth_time() const { return (status.stx_mask & STATX_BTIME) != 0; }
};

std::optional<Looked> look(const std::string& path) {
  Looked looked;
  constexpr unsigned kWanted = STATX_INO | STATX_SIZE | STATX_BTIME | STATX_MTIME | STATX_CTIME;
  if (::statx(AT_FDCWD, path.c_str(), 0, kWanted, &looked.status) != 0) return std::nullopt;
  return looked;
}

bool is_before(const statx_timestamp& a, const statx_timestamp& b) {
  return std::tie(a.tv_sec, a.tv_nsec) < std::tie(b.tv_sec, b.tv_nsec);
}

/// Which file it is. Not its device, whose number may be another after a restart.
std::string identity(const Looked& looked) {
  return fmt::format("{}:{}.{:09}", looked.status.stx_ino, looked.status.stx_btime.tv_sec,
                     looked.status.stx_btime.tv_nsec);
}

/// What the database's own file says, without its -wal; none if it says nothing.
std::optional<std::string> note_in(const std::filesystem::path& database) {
  auto connection = db::Connection::open(database, db::Mode::kReadUnchanging);
  if (!connection) return std::nullopt;
  auto statement = connection->prepare(kNote);
  if (!statement) return std::nullopt;
  db::Rows rows = statement->run();
  auto row = rows.next();
  if (!row || !*row) return std::nullopt;
  return std::string(rows.text(0));
}

bool was_renamed_here(const std::filesystem::path& database, const Looked& file,
                      const Looked& wal) {
  if (!is_before(file.status.stx_mtime, file.status.stx_ctime) ||
      is_before(file.status.stx_ctime, wal.status.stx_mtime)) {
    return false;
  }
  const auto note = note_in(database);
  return note && *note != identity(file);
}

}  // namespace

Result<void> check_journal_fits(const std::filesystem::path& database) {
  std::error_code error;
  const auto real = std::filesystem::canonical(database, error);
  const std::string& name = error ? database.native() : real.native();
  const auto file = look(name);
  const auto wal = look(name + "-wal");
  if (!file || !wal || wal->status.stx_size == 0) return {};
  if (!file->has_birth_time() || !wal->has_birth_time()) return {};
  const bool older = is_before(wal->status.stx_btime, file->status.stx_btime);
  if (!older && !was_renamed_here(name, *file, *wal)) return {};
  return Error{
      ErrorKind::kDatabase,
      fmt::format("{0}-wal was left by another database than the one that is at {0} now, and would "
                  "be mixed into it; if {0} is what you want, stop the daemon and remove {0}-wal "
                  "and {0}-shm; grantctl restore puts a backup in place without that",
                  database.string())};
}

Result<void> note_file(db::Connection& connection, const std::filesystem::path& database) {
  const auto file = look(database.native());
  if (!file || !file->has_birth_time()) return {};
  auto statement = connection.prepare(
      "INSERT OR REPLACE INTO meta (key, value) SELECT 'file', ?1 WHERE NOT EXISTS"
      " (SELECT 1 FROM meta WHERE key = 'file' AND value = ?1)");
  if (!statement) return statement.error();
  return statement->execute(std::string_view(identity(*file)));
}

}  // namespace grantfs
