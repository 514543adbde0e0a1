#pragma once

#include <array>

#include "policy/changes/engine.h"

// The SQL of BulkImport and BulkExport, a table for each kind of row.
namespace grantfs {

/// The schema's spellings of Rights, in their order.
inline constexpr std::array<const char*, 3> kRightsNames{"read", "write", "own"};

/// The SQL by which rows of one kind are staged, compared and written. Rows are staged in a
/// temporary table of their own. So faults in the rows are found before the database is locked, and
/// the lock is held for a few statements only.
struct BulkTable {
  TemporaryTable staging;
  /// Inserts a row. ?1, ?2: the key; ?3: the row's value; ?4: expiry; ?5: the row's number. Links
  /// and signing keys have parameters of their own.
  const char* stage;
  const char* staged;    ///< selects the staged row of the key ?1, ?2: its number, value and expiry
  const char* remove;    ///< deletes the policy's rows that are not staged
  const char* unstage;   ///< deletes the staged rows that the policy has already
  const char* changing;  ///< counts the staged rows whose key the policy has
  const char* write;
  const char* all;  ///< selects every row for an export: `stage`'s parameters without the number
};

inline constexpr BulkTable kOwners{
    {"import_owners", "path TEXT PRIMARY KEY, principal TEXT, number BIGINT"},
    "INSERT INTO import_owners VALUES (?1, ?3, ?5) ON CONFLICT DO NOTHING",
    "SELECT number, principal, NULL FROM import_owners WHERE path = ?1 AND ?2 = ''",
    "DELETE FROM owners WHERE NOT EXISTS"
    " (SELECT 1 FROM import_owners AS new WHERE new.path = owners.path)",
    "DELETE FROM import_owners AS new WHERE EXISTS (SELECT 1 FROM owners AS old"
    " WHERE old.path = new.path AND old.principal = new.principal)",
    "SELECT count(*) FROM import_owners JOIN owners USING (path)",
    "INSERT INTO owners (path, principal)"
    " SELECT path, principal FROM import_owners WHERE true"
    " ON CONFLICT (path) DO UPDATE SET principal = excluded.principal, created = excluded.created",
    "SELECT path, '', principal, NULL FROM owners ORDER BY path"};

inline constexpr BulkTable kGrants{
    {"import_grants",
     "principal TEXT, path TEXT, rights TEXT, expires BIGINT, number BIGINT,"
     " PRIMARY KEY (principal, path)"},
    "INSERT INTO import_grants VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    "SELECT number, rights, expires FROM import_grants WHERE principal = ?1 AND path = ?2",
    "DELETE FROM grants WHERE NOT EXISTS (SELECT 1 FROM import_grants AS new"
    " WHERE new.principal = grants.principal AND new.path = grants.path)",
    "DELETE FROM import_grants AS new WHERE EXISTS (SELECT 1 FROM grants AS old"
    " WHERE old.principal = new.principal AND old.path = new.path AND old.rights = new.rights"
    " AND old.expires IS NOT DISTINCT FROM new.expires)",
    "SELECT count(*) FROM import_grants JOIN grants USING (principal, path)",
    "INSERT INTO grants (principal, path, rights, expires)"
    " SELECT principal, path, rights, expires FROM import_grants WHERE true"
    " ON CONFLICT (principal, path) DO UPDATE SET rights = excluded.rights,"
    " expires = excluded.expires",
    "SELECT principal, path, rights, expires FROM grants ORDER BY path, principal"};

inline constexpr BulkTable kMembers{
    {"import_members",
     "member TEXT, parent TEXT, expires BIGINT, number BIGINT, PRIMARY KEY (member, parent)"},
    "INSERT INTO import_members VALUES (?1, ?2, ?4, ?5) ON CONFLICT DO NOTHING",
    "SELECT number, '', expires FROM import_members WHERE member = ?1 AND parent = ?2",
    "DELETE FROM members WHERE NOT EXISTS (SELECT 1 FROM import_members AS new"
    " WHERE new.member = members.member AND new.parent = members.parent)",
    "DELETE FROM import_members AS new WHERE EXISTS (SELECT 1 FROM members AS old"
    " WHERE old.member = new.member AND old.parent = new.parent AND old.expires IS NOT DISTINCT "
    "FROM new.expires)",
    "SELECT count(*) FROM import_members JOIN members USING (member, parent)",
    "INSERT INTO members (member, parent, expires)"
    " SELECT member, parent, expires FROM import_members WHERE true"
    " ON CONFLICT (member, parent) DO UPDATE SET expires = excluded.expires",
    "SELECT member, parent, '', expires FROM members ORDER BY parent, member"};

// Two rows of one id contradict each other even if they are equal. So `staged` returns the text
// 'another', which no row has as its value.
inline constexpr BulkTable kLinks{
    {"import_links",
     "id TEXT PRIMARY KEY, principal TEXT, path TEXT, expires BIGINT, address TEXT, uses BIGINT,"
     " created BIGINT, label TEXT, number BIGINT"},
    "INSERT INTO import_links VALUES (?1, ?2, ?3, ?4, nullif(?5, ''), ?6, ?7, nullif(?8, ''), ?9)"
    " ON CONFLICT DO NOTHING",
    "SELECT number, 'another', NULL FROM import_links WHERE id = ?1 AND ?2 = ''",
    "DELETE FROM links WHERE id NOT IN (SELECT id FROM import_links)",
    "DELETE FROM import_links AS new WHERE EXISTS (SELECT 1 FROM links AS old"
    " WHERE old.id = new.id AND old.principal = new.principal AND old.path = new.path"
    " AND old.expires IS NOT DISTINCT FROM new.expires AND old.address IS NOT DISTINCT FROM "
    "new.address AND old.uses IS NOT DISTINCT FROM new.uses"
    " AND old.created = coalesce(new.created, old.created)"
    " AND old.label IS NOT DISTINCT FROM coalesce(new.label, old.label))",
    "SELECT count(*) FROM import_links JOIN links USING (id)",
    "INSERT INTO links (id, principal, path, expires, address, uses, created, label)"
    " SELECT id, principal, path, expires, address, uses, coalesce(created,"
    " (SELECT created FROM links AS old WHERE old.id = new.id), unixepoch()), coalesce(label,"
    " (SELECT label FROM links AS old WHERE old.id = new.id))"
    " FROM import_links AS new WHERE true"
    " ON CONFLICT (id) DO UPDATE SET principal = excluded.principal, path = excluded.path,"
    " expires = excluded.expires, address = excluded.address, uses = excluded.uses,"
    " created = excluded.created, label = excluded.label",
    "SELECT id, principal, path, expires, address, uses, created, label FROM links ORDER BY id"};

inline constexpr BulkTable kKeys{
    {"import_keys",
     "id TEXT PRIMARY KEY, format TEXT, uri_prefix TEXT, path TEXT, secret BYTEA, created BIGINT,"
     " retired BIGINT, number BIGINT",
     4},
    "INSERT INTO import_keys VALUES (?1, ?2, nullif(?3, ''), ?4, ?5, ?6, ?7, ?8)"
    " ON CONFLICT DO NOTHING",
    "SELECT number, 'another', NULL FROM import_keys WHERE id = ?1 AND ?2 = ''",
    "DELETE FROM signing_keys WHERE id NOT IN (SELECT id FROM import_keys)",
    "DELETE FROM import_keys AS new WHERE EXISTS (SELECT 1 FROM signing_keys AS old"
    " WHERE old.id = new.id AND old.format = new.format AND old.uri_prefix IS NOT DISTINCT FROM "
    "new.uri_prefix"
    " AND old.path = new.path AND old.secret = new.secret AND old.retired IS NOT DISTINCT FROM "
    "new.retired"
    " AND old.created = coalesce(new.created, old.created))",
    "SELECT count(*) FROM import_keys JOIN signing_keys USING (id)",
    "INSERT INTO signing_keys (id, format, uri_prefix, path, secret, created, retired)"
    " SELECT id, format, uri_prefix, path, secret, coalesce(created,"
    " (SELECT created FROM signing_keys AS old WHERE old.id = new.id), unixepoch()), retired"
    " FROM import_keys AS new WHERE true"
    " ON CONFLICT (id) DO UPDATE SET format = excluded.format, uri_prefix = excluded.uri_prefix,"
    " path = excluded.path, secret = excluded.secret, created = excluded.created,"
    " retired = excluded.retired",
    "SELECT id, format, uri_prefix, path, secret, created, retired FROM signing_keys ORDER BY id"};

/// The tables in the order of PolicyRow::Kind.
inline constexpr std::array<BulkTable, 5> kBulkTables{kOwners, kGrants, kMembers, kLinks, kKeys};

}  // namespace grantfs
