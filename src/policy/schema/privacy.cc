// Who may touch a database, by the modes of its file and its directory; see schema.h.
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "db/error.h"
#include "policy/schema/schema.h"
#include "policy/schema/schema_version.h"

namespace grantfs {
namespace {

constexpr std::string_view kWhoMay =
    "; its directory is for root and the group that administers it: run this as one of them";

std::filesystem::path directory_of(const std::filesystem::path& database) {
  return database.has_parent_path() ? database.parent_path() : ".";
}

/// Whether nothing else lies where the database does, but what belongs to it: policy.db-wal,
/// policy.db.state.
bool has_directory_of_its_own(const std::filesystem::path& database) {
  std::error_code error;
  std::filesystem::directory_iterator entry(directory_of(database), error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (!entry->path().filename().native().starts_with(database.filename().native())) return false;
  }
  return !error;
}

/// Whose the file is, by its header; kDatabase if it is somebody else's. By a connection of its own
/// and not by read(2): to close a descriptor of a file that SQLite has open drops its locks.
Result<Claim> claim_of(const std::filesystem::path& database) {
  const auto foreign = [&](const std::string& why) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} is not a grantfs policy database ({}); name the one that is",
                             database.string(), why)};
  };
  // To SQLite what is shorter than a page is a database without anything in it.
  constexpr std::uintmax_t kSmallestBytes = 512;
  std::error_code error;
  const auto size = std::filesystem::file_size(database, error);
  if (!error && size > 0 && size < kSmallestBytes) return foreign("file is not a database");
  auto connection = db::Connection::open(database, db::Mode::kReadUnchanging);
  if (!connection || is_empty(*connection)) return Claim::kUnknown;
  auto id = connection->query_integer("PRAGMA application_id");
  if (id && *id == kApplicationId) return Claim::kOurs;
  return foreign(id ? fmt::format("application_id {}", *id)
                    : db::without_path(id.error(), database));
}

}  // namespace

Result<void> check_directory_is_private(const std::filesystem::path& database, Claim claim) {
  const std::filesystem::path directory = directory_of(database);
  struct stat status = {};
  if (::stat(directory.c_str(), &status) != 0) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("cannot look at {}: {}{}", directory.string(), std::strerror(errno),
                             errno == EACCES ? kWhoMay : std::string_view())};
  }
  if ((status.st_mode & S_IRWXO) == 0) return {};
  std::string advice;
  if (claim == Claim::kOurs && has_directory_of_its_own(database)) {
    advice = fmt::format("run: chmod o= {}", directory.string());
  } else {
    // Others may need it as it is, as they do /etc.
    advice =
        "have the policy database in a directory of its own, closed to others, as grantctl init "
        "makes one: /var/lib/grantfs/NAME/policy.db";
  }
  return Error{ErrorKind::kInvalid,
               fmt::format("{} is open to others, and whoever can enter it may tamper with the "
                           "policy; {}",
                           directory.string(), advice)};
}

Result<void> check_database_is_private(const std::filesystem::path& database) {
  struct stat status = {};
  if (::stat(database.c_str(), &status) != 0) {
    const int error = errno;
    if (error == ENOENT || error == ENOTDIR) {
      return Error{ErrorKind::kNotFound,
                   fmt::format("no policy database at {}: {}; make one with: grantctl --db {} init",
                               database.string(), std::strerror(error), database.string())};
    }
    return Error{ErrorKind::kDatabase,
                 fmt::format("cannot look at the policy database {}: {}{}", database.string(),
                             std::strerror(error), error == EACCES ? kWhoMay : std::string_view())};
  }
  if (!S_ISREG(status.st_mode)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is not a regular file; name the policy database itself",
                             database.string())};
  }
  const bool is_writable = (status.st_mode & S_IWOTH) != 0;
  if (!is_writable && check_directory_is_private(database, Claim::kUnknown)) return {};
  // What to do about it depends on whether it is ours at all.
  auto claim = claim_of(database);
  if (!claim) return claim.error();
  if (!is_writable) return check_directory_is_private(database, *claim);
  return Error{
      ErrorKind::kInvalid,
      fmt::format("{} may be written by anyone{}", database.string(),
                  *claim == Claim::kOurs ? fmt::format("; run: chmod o= {}", database.string())
                                         : ", and a policy database must not")};
}

}  // namespace grantfs
