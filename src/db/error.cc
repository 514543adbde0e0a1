#include "db/error.h"

#include <fmt/core.h>

#include <string_view>
#include <system_error>

namespace grantfs::db {

Error last_error(sqlite3* handle) {
  const char* path = sqlite3_db_filename(handle, "main");
  return {ErrorKind::kDatabase,
          fmt::format("{}: {}", path == nullptr ? "SQLite" : path, sqlite3_errmsg(handle))};
}

std::string without_path(const Error& error, const std::filesystem::path& database) {
  constexpr std::string_view kColon = ": ";
  std::error_code ignored;
  // SQLite's message names the file that SQLite opened: by an absolute path and, since 3.39, by the
  // real path, without symbolic links.
  for (const auto& path : {database, std::filesystem::absolute(database, ignored),
                           std::filesystem::weakly_canonical(database, ignored)}) {
    const std::string_view name = path.native();
    const std::string_view message = error.message;
    if (message.starts_with(name) && message.substr(name.size()).starts_with(kColon)) {
      return error.message.substr(name.size() + kColon.size());
    }
  }
  return error.message;
}

}  // namespace grantfs::db
