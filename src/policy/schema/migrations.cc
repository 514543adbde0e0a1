#include <algorithm>
#include <array>

#include "policy/feed/feed_schema.h"
#include "policy/feed/links_and_keys_feed.h"
#include "policy/feed/uris_feed.h"
#include "policy/schema/columns.h"
#include "policy/schema/schema.h"
#include "policy/schema/whole_store_is_a_dot.h"

namespace grantfs {
namespace {

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

// An expression of nginx's secure_link_md5 is at most as long as a line of its configuration.
// NOLINTNEXTLINE(modernize-avoid-c-arrays): a literal
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

template <std::size_t N, std::size_t M>
// NOLINTNEXTLINE(modernize-avoid-c-arrays): literals
consteval std::array<char, N + M - 1> joined(const char (&first)[N], const char (&second)[M]) {
  std::array<char, N + M - 1> both{};
  std::copy_n(first, N - 1, both.begin());
  std::copy_n(second, M, both.begin() + N - 1);
  return both;
}

constexpr auto kVersion3 = joined(kLinksAndKeys, kLinksAndKeysFeed);

/// Version 6: what a link is for, in its maker's words.
constexpr const char* kLinkLabels = "ALTER TABLE links ADD COLUMN " LINK_LABEL ";";

constexpr std::array<const char*, 6> kMigrations{kVersion1, kFeedSchema,       kVersion3.data(),
                                                 kUrisFeed, kWholeStoreIsADot, kLinkLabels};

}  // namespace

std::span<const char* const> schema_migrations() {
  return kMigrations;
}

}  // namespace grantfs
