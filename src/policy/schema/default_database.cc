#include "grantfs/default_database.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

namespace grantfs {

namespace fs = std::filesystem;

Result<fs::path> default_database() {
  const char* named = std::getenv("GRANTFS_DB");  // NOLINT(concurrency-mt-unsafe): at the start
  if (named != nullptr && *named != '\0') return fs::path(named);

  std::vector<fs::path> found;
  std::string closed;  // a directory that may hold one, for all we know
  std::error_code error;
  for (const auto& home : fs::directory_iterator(kDatabaseHome, error)) {
    const fs::path database = home.path() / "policy.db";
    if (fs::exists(database, error)) found.push_back(database);
    if (error == std::errc::permission_denied) closed = home.path().string();
  }
  if (error == std::errc::permission_denied && closed.empty()) closed = kDatabaseHome;
  if (found.size() == 1) return found.front();
  if (found.empty() && !closed.empty()) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("this user may not look into {}, where a policy database may be: run "
                             "this as root or in the group that administers it, or name another "
                             "database (grantctl --db PATH, grantfs -o db=PATH)",
                             closed)};
  }
  if (found.empty()) {
    return Error{ErrorKind::kNotFound,
                 fmt::format("no policy database under {}; name one (grantctl --db PATH, "
                             "grantfs -o db=PATH), or make one: grantctl --db "
                             "{}/NAME/policy.db init",
                             kDatabaseHome, kDatabaseHome)};
  }
  std::ranges::sort(found);
  std::string list;
  for (const fs::path& database : found) list += "\n  " + database.string();
  return Error{ErrorKind::kConflict,
               fmt::format("there are several policy databases; name one of them (grantctl --db "
                           "PATH, grantfs -o db=PATH):{}",
                           list)};
}

}  // namespace grantfs
