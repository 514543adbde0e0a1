#include "policy/schema/schema_version.h"

#include <fmt/core.h>

#include "db/error.h"
#include "policy/schema/schema.h"

namespace grantfs {
namespace {

bool has_our_tables(db::Connection& connection) {
  auto tables = connection.query_integer(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN"
      " ('meta', 'owners', 'grants', 'members', 'sessions')");
  return tables && *tables == 5;
}

}  // namespace

Result<std::int64_t> schema_version(db::Connection& connection,
                                    const std::filesystem::path& database) {
  auto id = connection.query_integer("PRAGMA application_id");
  if (!id) return id.error();
  if (*id == 0 && has_our_tables(connection)) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("{0} has the tables of a policy database, but not its mark (application_id), "
                    "which a dump leaves out; if it was restored from one, run: sqlite3 '{0}' "
                    "'PRAGMA application_id = {1}', and then: grantctl --db '{0}' init",
                    database.string(), kApplicationId)};
  }
  if (*id != kApplicationId) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} is not a grantfs policy database (application_id {}); "
                             "name another one, or make one with: grantctl --db PATH init",
                             database.string(), *id)};
  }
  auto version = connection.query_integer(
      "SELECT value FROM meta WHERE key = 'schema' AND typeof(value) = 'integer'");
  if (!version) {
    return Error{ErrorKind::kDatabase,
                 fmt::format("{}: cannot read its schema version: {}", database.string(),
                             db::without_path(version.error(), database))};
  }
  return version;
}

Error newer_schema(const std::filesystem::path& database, std::int64_t version) {
  return {ErrorKind::kDatabase,
          fmt::format("{} has schema {}, newer than this program's {}; upgrade grantfs",
                      database.string(), version, current_schema_version())};
}

bool is_empty(db::Connection& connection) {
  auto objects = connection.query_integer("SELECT count(*) FROM sqlite_schema");
  auto id = connection.query_integer("PRAGMA application_id");
  return objects && *objects == 0 && id && *id == 0;
}

}  // namespace grantfs
