#include "policy/schema/whole_store_is_a_dot.h"

#include "policy/schema/columns.h"

namespace grantfs {

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

// NOLINTNEXTLINE(modernize-avoid-c-arrays): a literal
const char kWholeStoreIsADot[] =
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

}  // namespace grantfs
