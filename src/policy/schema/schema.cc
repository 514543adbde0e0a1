#include "policy/schema/schema.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "policy/feed/feed_schema.h"

namespace grantfs {
namespace {

// The CHECK constraints keep other writers honest: what passes here is what Principal::parse,
// StorePath::parse and TokenHash::parse take. They use instr() where a zero byte would end a GLOB
// early. A time as text, or in milliseconds, would compare as never expiring.
#define PATH_IS_CANONICAL                                               \
  "length(CAST(path AS BLOB)) <= 4095 AND instr(path, char(0)) = 0 AND" \
  " (path = '' OR (instr('/' || path || '/', '//') = 0 AND"             \
  " instr('/' || path || '/', '/./') = 0 AND"                           \
  " instr('/' || path || '/', '/../') = 0))"

#define IS_NAMED(column, prefix, start)               \
  "(" column " GLOB '" prefix                         \
  ":?*' AND"                                          \
  " length(CAST(substr(" column ", " start            \
  ") AS BLOB)) <= 255 AND"                            \
  " instr(" column ", char(0)) = 0 AND instr(" column \
  ", '/') = 0 AND"                                    \
  " " column " NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || ']*')"

#define IS_NUMBERED(column, prefix)                               \
  "(" column " GLOB '" prefix ":[0-9]*' AND instr(" column        \
  ", char(0)) = 0 AND"                                            \
  " substr(" column ", 5) NOT GLOB '*[^0-9]*' AND length(" column \
  ") <= 14 AND"                                                   \
  " (" column " = '" prefix ":0' OR substr(" column               \
  ", 5, 1) <> '0') AND"                                           \
  " CAST(substr(" column ", 5) AS INTEGER) <= 4294967294)"

#define IS_PRINCIPAL(column)                                                             \
  "(" column " = 'public' OR " IS_NAMED(column, "user", "6") " OR " IS_NAMED(            \
      column, "group", "7") " OR " IS_NUMBERED(column, "uid") " OR " IS_NUMBERED(column, \
                                                                                 "gid") ")"

#define EXPIRES                               \
  "expires INTEGER CHECK (expires IS NULL OR" \
  " (typeof(expires) = 'integer' AND expires BETWEEN 0 AND 99999999999))"

#define CREATED "created INTEGER NOT NULL DEFAULT (unixepoch())"

constexpr const char* kVersion1 =
    "CREATE TABLE meta ("
    "  key   TEXT PRIMARY KEY,"
    "  value ANY NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('inode_key', randomblob(16));"

    "CREATE TABLE owners ("
    "  path      TEXT NOT NULL PRIMARY KEY CHECK (" PATH_IS_CANONICAL "),"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  " CREATED
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX owners_by_principal ON owners (principal, path);"

    "CREATE TABLE grants ("
    "  id        INTEGER PRIMARY KEY,"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  path      TEXT NOT NULL CHECK (" PATH_IS_CANONICAL "),"
    "  rights    TEXT NOT NULL DEFAULT 'read' CHECK (rights IN ('read', 'write', 'own')),"
    "  " EXPIRES ","
    "  " CREATED ","
    "  UNIQUE (principal, path)"
    ") STRICT;"
    "CREATE INDEX grants_by_path ON grants (path);"
    "CREATE INDEX grants_by_expires ON grants (expires) WHERE expires IS NOT NULL;"

    "CREATE TABLE members ("
    "  id      INTEGER PRIMARY KEY,"
    "  member  TEXT NOT NULL CHECK (" IS_PRINCIPAL("member") "),"
    "  parent  TEXT NOT NULL CHECK (" IS_NAMED("parent", "group", "7") "),"
    "  " EXPIRES ","
    "  UNIQUE (member, parent)"
    ") STRICT;"
    "CREATE INDEX members_by_parent ON members (parent);"

    "CREATE TABLE sessions ("
    "  id        TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) = 64 AND"
    "              length(id) = 64 AND instr(id, char(0)) = 0 AND id NOT GLOB '*[^0-9a-f]*'),"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  " EXPIRES ","
    "  address   TEXT CHECK (address IS NULL OR length(address) BETWEEN 2 AND 64),"
    "  " CREATED
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX sessions_by_principal ON sessions (principal);"
    "CREATE INDEX sessions_by_expires ON sessions (expires) WHERE expires IS NOT NULL;";

#define IS_TOKEN_HASH                                                                \
  "length(CAST(id AS BLOB)) = 64 AND length(id) = 64 AND instr(id, char(0)) = 0 AND" \
  " id NOT GLOB '*[^0-9a-f]*'"

#define LINK_ADDRESS                                                               \
  "address   TEXT CHECK (address IS NULL OR (length(address) BETWEEN 2 AND 64 AND" \
  "              instr(address, char(0)) = 0 AND address NOT GLOB '*[^0-9a-f.:/]*'))"
#define LINK_USES                            \
  "uses      INTEGER CHECK (uses IS NULL OR" \
  "              (typeof(uses) = 'integer' AND uses BETWEEN 1 AND 1000000000))"
#define KEY_ID                                                                         \
  "id         TEXT NOT NULL PRIMARY KEY CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND" \
  " 32 AND"                                                                            \
  "               instr(id, char(0)) = 0 AND id NOT GLOB '*[^A-Za-z0-9]*')"
#define KEY_FORMAT                                                                      \
  "format     TEXT NOT NULL CHECK (format = 'hmac-sha256' OR (format GLOB 'md5:?*' AND" \
  "               length(CAST(format AS BLOB)) <= 4096 AND instr(format, char(0)) = 0))"
#define KEY_URI_PREFIX                                                     \
  "uri_prefix TEXT CHECK (uri_prefix IS NULL OR (uri_prefix GLOB '/*' AND" \
  "               length(CAST(uri_prefix AS BLOB)) <= 4096 AND"            \
  "               instr(uri_prefix, char(0)) = 0))"
#define KEY_SECRET                                                                     \
  "secret     BLOB NOT NULL CHECK (typeof(secret) = 'blob' AND length(secret) <= 1024" \
  " AND"                                                                               \
  "               length(secret) >= iif(format = 'hmac-sha256', 32, 1))"
#define KEY_RETIRED                              \
  "retired    INTEGER CHECK (retired IS NULL OR" \
  "               (typeof(retired) = 'integer' AND retired BETWEEN 0 AND 99999999999))"

// An expression of nginx's secure_link_md5 is at most as long as a line of its configuration.
constexpr const char kLinksAndKeys[] =
    "CREATE TABLE links ("
    "  id        TEXT NOT NULL PRIMARY KEY CHECK (" IS_TOKEN_HASH "),"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  path      TEXT NOT NULL CHECK (" PATH_IS_CANONICAL "),"
    "  " EXPIRES ","
    "  " LINK_ADDRESS ","
    "  " LINK_USES ","
    "  " CREATED
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX links_by_principal ON links (principal);"
    "CREATE INDEX links_by_path ON links (path);"
    "CREATE INDEX links_by_expires ON links (expires) WHERE expires IS NOT NULL;"

    "CREATE TABLE signing_keys ("
    "  " KEY_ID ","
    "  " KEY_FORMAT ","
    "  " KEY_URI_PREFIX ","
    "  path       TEXT NOT NULL CHECK (" PATH_IS_CANONICAL "),"
    "  " KEY_SECRET ","
    "  " CREATED ","
    "  " KEY_RETIRED ","
    "  CHECK (format = 'hmac-sha256' OR uri_prefix IS NOT NULL)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX signing_keys_by_path ON signing_keys (path);";

// Version 5: the whole store is spelt '.', and what is blank is no path for any writer. SQLite
// cannot alter a CHECK, so the tables are made anew, by way of a temporary one each: renaming one
// into place would put its name in quotes, and rewrite the triggers and views that name it. Indexes
// and triggers go with the table; migrate_schema() makes them again.
#define IS_PATH                                                       \
  "path TEXT NOT NULL CONSTRAINT path_is_canonical CHECK (path = '.'" \
  " OR (path <> '' AND " PATH_IS_CANONICAL "))"
#define SAVED(table, columns)                                      \
  "CREATE TEMP TABLE saved AS SELECT " columns " FROM main." table \
  ";"                                                              \
  "UPDATE temp.saved SET path = '.' WHERE path = '';"              \
  "DROP TABLE main." table ";"
#define RESTORED(table, columns)                             \
  "INSERT INTO main." table " (" columns ") SELECT " columns \
  " FROM temp.saved;"                                        \
  "DROP TABLE temp.saved;"
#define OWNER_COLUMNS "path, principal, created"
#define GRANT_COLUMNS "id, principal, path, rights, expires, created"
#define LINK_COLUMNS "id, principal, path, expires, address, uses, created"
#define KEY_COLUMNS "id, format, uri_prefix, path, secret, created, retired"

constexpr const char* kWholeStoreIsADot =
    // clang-format off
    SAVED("owners", OWNER_COLUMNS)
    "CREATE TABLE owners ("
    "  " IS_PATH " PRIMARY KEY,"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  " CREATED
    ") STRICT, WITHOUT ROWID;"
    RESTORED("owners", OWNER_COLUMNS)

    SAVED("grants", GRANT_COLUMNS)
    "CREATE TABLE grants ("
    "  id        INTEGER PRIMARY KEY,"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  " IS_PATH ","
    "  rights    TEXT NOT NULL DEFAULT 'read' CHECK (rights IN ('read', 'write', 'own')),"
    "  " EXPIRES ","
    "  " CREATED ","
    "  UNIQUE (principal, path)"
    ") STRICT;"
    RESTORED("grants", GRANT_COLUMNS)

    SAVED("links", LINK_COLUMNS)
    "CREATE TABLE links ("
    "  id        TEXT NOT NULL PRIMARY KEY CHECK (" IS_TOKEN_HASH "),"
    "  principal TEXT NOT NULL CHECK (" IS_PRINCIPAL("principal") "),"
    "  " IS_PATH ","
    "  " EXPIRES ","
    "  " LINK_ADDRESS ","
    "  " LINK_USES ","
    "  " CREATED
    ") STRICT, WITHOUT ROWID;"
    RESTORED("links", LINK_COLUMNS)

    SAVED("signing_keys", KEY_COLUMNS)
    "CREATE TABLE signing_keys ("
    "  " KEY_ID ","
    "  " KEY_FORMAT ","
    "  " KEY_URI_PREFIX ","
    "  " IS_PATH ","
    "  " KEY_SECRET ","
    "  " CREATED ","
    "  " KEY_RETIRED ","
    "  CHECK (format = 'hmac-sha256' OR uri_prefix IS NOT NULL)"
    ") STRICT, WITHOUT ROWID;"
    RESTORED("signing_keys", KEY_COLUMNS)

    "UPDATE changes SET path = '.' WHERE path = '';";
// clang-format on

#undef IS_PATH
#undef SAVED
#undef RESTORED
#undef OWNER_COLUMNS
#undef GRANT_COLUMNS
#undef LINK_COLUMNS
#undef KEY_COLUMNS
#undef LINK_ADDRESS
#undef LINK_USES
#undef KEY_ID
#undef KEY_FORMAT
#undef KEY_URI_PREFIX
#undef KEY_SECRET
#undef KEY_RETIRED
#undef IS_TOKEN_HASH
#undef PATH_IS_CANONICAL
#undef IS_NAMED
#undef IS_NUMBERED
#undef IS_PRINCIPAL
#undef EXPIRES
#undef CREATED

template <std::size_t N, std::size_t M>
consteval std::array<char, N + M - 1> joined(const char (&first)[N], const char (&second)[M]) {
  std::array<char, N + M - 1> both{};
  std::copy_n(first, N - 1, both.begin());
  std::copy_n(second, M, both.begin() + N - 1);
  return both;
}

constexpr auto kVersion3 = joined(kLinksAndKeys, kLinksAndKeysFeed);

constexpr std::array kMigrations{kVersion1, kFeedSchema, kVersion3.data(), kUrisFeed,
                                 kWholeStoreIsADot};

bool has_our_tables(db::Connection& connection) {
  auto tables = connection.query_integer(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN"
      " ('meta', 'owners', 'grants', 'members', 'sessions')");
  return tables && *tables == 5;
}

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

constexpr std::string_view kWhoMay =
    "; its directory is for root and the group that administers it: run this as one of them";

/// A table of this version, with its columns and their types.
struct TableShape {
  const char* name;
  std::map<std::string, std::string> columns;
};
const std::array kTables{
    TableShape{"owners", {{"path", "TEXT"}, {"principal", "TEXT"}, {"created", "INTEGER"}}},
    TableShape{"grants",
               {{"id", "INTEGER"},
                {"principal", "TEXT"},
                {"path", "TEXT"},
                {"rights", "TEXT"},
                {"expires", "INTEGER"},
                {"created", "INTEGER"}}},
    TableShape{"members",
               {{"id", "INTEGER"}, {"member", "TEXT"}, {"parent", "TEXT"}, {"expires", "INTEGER"}}},
    TableShape{"sessions",
               {{"id", "TEXT"},
                {"principal", "TEXT"},
                {"expires", "INTEGER"},
                {"address", "TEXT"},
                {"created", "INTEGER"}}},
    TableShape{"links",
               {{"id", "TEXT"},
                {"principal", "TEXT"},
                {"path", "TEXT"},
                {"expires", "INTEGER"},
                {"address", "TEXT"},
                {"uses", "INTEGER"},
                {"created", "INTEGER"}}},
    TableShape{"signing_keys",
               {{"id", "TEXT"},
                {"format", "TEXT"},
                {"uri_prefix", "TEXT"},
                {"path", "TEXT"},
                {"secret", "BLOB"},
                {"created", "INTEGER"},
                {"retired", "INTEGER"}}},
    TableShape{"changes",
               {{"seq", "INTEGER"}, {"path", "TEXT"}, {"principal", "TEXT"}, {"token", "TEXT"}}},
    TableShape{"meta", {{"key", "TEXT"}, {"value", "ANY"}}}};

/// By PRAGMAs: a table-valued function could itself be a table of the database's.
Result<bool> has_shape(db::Connection& connection, const TableShape& shape) {
  auto list = connection.prepare(fmt::format("PRAGMA main.table_list({})", shape.name));
  if (!list) return list.error();
  bool is_strict = false;
  db::Rows tables = list->run();
  while (true) {
    auto row = tables.next();
    if (!row) return row.error();
    if (!*row) break;
    constexpr int kType = 2;
    constexpr int kStrict = 5;
    if (tables.text(0) == "main") {
      is_strict = tables.text(kType) == "table" && tables.integer(kStrict) == 1;
    }
  }
  if (!is_strict) return false;
  auto info = connection.prepare(fmt::format("PRAGMA main.table_xinfo({})", shape.name));
  if (!info) return info.error();
  std::size_t known = 0;
  db::Rows columns = info->run();
  while (true) {
    auto row = columns.next();
    if (!row) return row.error();
    if (!*row) return known == shape.columns.size();
    constexpr int kHidden = 6;  // or computed
    if (columns.integer(kHidden) != 0) return false;
    const auto ours = shape.columns.find(std::string(columns.text(1)));
    if (ours == shape.columns.end()) continue;
    if (columns.text(2) != ours->second) return false;
    ++known;
  }
}

/// The SQL of each by its name.
using Objects = std::map<std::string, std::string>;

Result<Objects> indexes_and_triggers(db::Connection& connection) {
  auto statement = connection.prepare(
      "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql NOTNULL");
  if (!statement) return statement.error();
  Objects found;
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found.emplace(rows.text(0), rows.text(1));
  }
}

/// "TABLE.COLUMN" of every table.
Result<std::set<std::string>> columns(db::Connection& connection) {
  auto statement = connection.prepare(
      "SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c"
      " WHERE t.type = 'table'");
  if (!statement) return statement.error();
  std::set<std::string> found;
  db::Rows rows = statement->run();
  while (true) {
    auto row = rows.next();
    if (!row) return row.error();
    if (!*row) return found;
    found.emplace(rows.text(0));
  }
}

/// A migration that makes a table anew copies the columns it knows: no other may be lost.
Result<void> check_columns_kept(db::Connection& connection, const std::set<std::string>& before) {
  auto after = columns(connection);
  if (!after) return after.error();
  for (const std::string& column : before) {
    if (after->contains(column)) continue;
    return Error{ErrorKind::kDatabase,
                 fmt::format("{} is not a column of this program's; move it to a table of your "
                             "own first",
                             column)};
  }
  return {};
}

/// Those that went with their tables when a migration made these anew; foreign ones too.
Result<void> make_again(db::Connection& connection, const Objects& before) {
  auto after = indexes_and_triggers(connection);
  if (!after) return after.error();
  for (const auto& [name, sql] : before) {
    if (after->contains(name)) continue;
    if (auto made = connection.execute(sql.c_str()); !made) {
      return Error{ErrorKind::kDatabase,
                   fmt::format("{} does not fit the tables of this version: {}; drop it first",
                               name, made.error().message)};
    }
  }
  return {};
}

bool is_empty(db::Connection& connection) {
  auto objects = connection.query_integer("SELECT count(*) FROM sqlite_schema");
  auto id = connection.query_integer("PRAGMA application_id");
  return objects && *objects == 0 && id && *id == 0;
}

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

std::span<const char* const> schema_migrations() {
  return kMigrations;
}

Result<void> check_schema(db::Connection& connection, const std::filesystem::path& database) {
  auto version = schema_version(connection, database);
  if (!version) return version.error();
  if (*version > current_schema_version()) return newer_schema(database, *version);
  if (*version < current_schema_version()) {
    return Error{
        ErrorKind::kDatabase,
        fmt::format("{} has schema {}, older than this program's {}; "
                    "bring it up with: grantctl --db {} init",
                    database.string(), *version, current_schema_version(), database.string())};
  }
  return {};
}

Result<void> check_tables(db::Connection& connection, const std::filesystem::path& database) {
  for (const TableShape& table : kTables) {
    auto fit = has_shape(connection, table);
    if (!fit) return fit.error();
    if (!*fit) {
      return Error{ErrorKind::kDatabase,
                   fmt::format("{}: {} is not the table that grantctl init makes (a STRICT table "
                               "with its columns, none of them computed); restore a backup",
                               database.string(), table.name)};
    }
  }
  return {};
}

Result<int> migrate_schema(db::Connection& connection, const std::filesystem::path& database,
                           std::span<const char* const> migrations) {
  auto transaction = db::Transaction::begin(connection, db::Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();

  std::int64_t version = 0;
  if (!is_empty(connection)) {
    auto found = schema_version(connection, database);
    if (!found) return found.error();
    version = *found;
  }
  const auto newest = static_cast<std::int64_t>(migrations.size());
  if (version > newest || version < 0) return newer_schema(database, version);
  if (version == newest) return 0;

  for (std::int64_t step = version; step < newest; ++step) {
    auto before = indexes_and_triggers(connection);
    if (!before) return before.error();
    auto known = columns(connection);
    if (!known) return known.error();
    auto done = connection.execute(migrations[static_cast<std::size_t>(step)]);
    if (!done) return done.error();
    if (auto kept = check_columns_kept(connection, *known); !kept) return kept.error();
    if (auto kept = make_again(connection, *before); !kept) return kept.error();
  }
  auto mark = connection.prepare("INSERT OR REPLACE INTO meta (key, value) VALUES ('schema', ?)");
  if (!mark) return mark.error();
  if (auto marked = mark->execute(newest); !marked) return marked.error();
  const auto claim = fmt::format("PRAGMA application_id = {}", kApplicationId);
  if (auto claimed = connection.execute(claim.c_str()); !claimed) return claimed.error();
  if (auto committed = transaction->commit(); !committed) return committed.error();
  return static_cast<int>(newest - version);
}

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
