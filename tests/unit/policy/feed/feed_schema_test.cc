// The triggers of the schema: what each statement leaves in `changes` and in meta.revision.

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <set>

#include "db/connection.h"
#include "db/rows.h"
#include "grantfs/admin.h"
#include "policy/schema/schema.h"
#include "support/temporary_directory.h"

namespace grantfs {
namespace {

/// Every statement runs on these rows.
constexpr const char* kRows =
    "INSERT INTO owners (path, principal) VALUES ('p', 'user:a'), ('q', 'user:b'), ('r', 'user:a');"
    "INSERT INTO grants (id, principal, path, rights, expires) VALUES"
    " (1, 'user:a', 'p', 'write', 2000), (2, 'user:a', 'q', 'read', NULL),"
    " (3, 'user:b', 'p', 'own', 1000);"
    "INSERT INTO members (id, member, parent, expires) VALUES (1, 'user:a', 'group:g', 2000),"
    " (2, 'user:b', 'group:g', NULL), (3, 'user:c', 'group:h', 1000);"
    "INSERT INTO sessions (id, principal, expires, address) VALUES (printf('%064d', 1), 'user:a',"
    " 2000, NULL), (printf('%064d', 2), 'user:a', NULL, '192.0.2.1');";
constexpr const char* kRowsOfVersion3 =
    "INSERT INTO links (id, principal, path, expires, address, uses) VALUES"
    " (printf('%064d', 11), 'user:a', 'p', 2000, NULL, 5),"
    " (printf('%064d', 12), 'user:b', 'q', NULL, '192.0.2.1', NULL);"
    "INSERT INTO signing_keys (id, format, uri_prefix, path, secret, retired) VALUES"
    " ('k', 'hmac-sha256', NULL, 'p', zeroblob(32), 2000),"
    " ('m', 'md5:$uri secret', '/files/', 'q', x'61', NULL);";

struct Case {
  const char* sql;
  std::set<std::string> recorded;
};

// clang-format off
const std::vector<Case> kLosses{
    // --- owners
    {"DELETE FROM owners WHERE path = 'p'", {"p"}},
    {"DELETE FROM owners", {"p", "q", "r"}},
    {"UPDATE owners SET principal = 'user:x' WHERE path = 'p'", {"p"}},
    {"UPDATE owners SET path = 'x' WHERE path = 'p'", {"p"}},
    {"REPLACE INTO owners (path, principal) VALUES ('p', 'user:x')", {"p"}},
    {"UPDATE OR REPLACE owners SET path = 'q' WHERE path = 'p'", {"p", "q"}},
    {"UPDATE OR REPLACE owners SET path = 'r' WHERE path = 'p'", {"p"}},
    {"INSERT INTO owners (path, principal) VALUES ('p', 'user:x')"
     " ON CONFLICT DO UPDATE SET principal = excluded.principal", {"p"}},
    // --- grants
    {"DELETE FROM grants WHERE id = 2", {"q"}},
    {"DELETE FROM grants", {"p", "q"}},
    {"UPDATE grants SET principal = 'user:x' WHERE id = 1", {"p"}},
    {"UPDATE grants SET path = 'x' WHERE id = 1", {"p"}},
    {"UPDATE grants SET rights = 'read' WHERE id = 1", {"p"}},
    {"UPDATE grants SET rights = 'write' WHERE id = 3", {"p"}},
    {"UPDATE grants SET rights = 'read' WHERE id = 3", {"p"}},
    {"UPDATE grants SET expires = 1999 WHERE id = 1", {"p"}},
    {"UPDATE grants SET expires = 5 WHERE id = 2", {"q"}},
    {"UPDATE grants SET expires = '5' WHERE id = 2", {"q"}},
    {"REPLACE INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', 'write', 1999)", {"p"}},
    {"REPLACE INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', 'write', '1999')", {"p"}},
    {"REPLACE INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', 'write', 1999.0)", {"p"}},
    {"REPLACE INTO grants (principal, path, expires) VALUES ('user:a', 'p', 2000)", {"p"}},
    {"REPLACE INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', NULL, 2000)", {"p"}},
    {"REPLACE INTO grants (principal, path, rights) VALUES ('user:b', 'p', 'write')", {"p"}},
    {"REPLACE INTO grants (principal, path, expires) VALUES ('user:a', 'q', 99999999999)", {"q"}},
    {"REPLACE INTO grants (id, principal, path) VALUES (2, 'user:a', 'x')", {"q"}},
    {"REPLACE INTO grants (id, principal, path) VALUES ('2', 'user:x', 'q')", {"q"}},
    {"REPLACE INTO grants (id, principal, path, expires) VALUES (2, 'user:a', 'q', 5)", {"q"}},
    {"REPLACE INTO grants (id, principal, path, rights) VALUES (2, 'user:b', 'p', 'own')", {"q"}},
    {"REPLACE INTO grants (id, principal, path, rights) VALUES (2, 'user:b', 'p', 'read')", {"p", "q"}},
    {"UPDATE OR REPLACE grants SET path = 'q' WHERE id = 1", {"p", "q"}},
    {"UPDATE OR REPLACE grants SET path = 'p' WHERE id = 2", {"p", "q"}},
    {"UPDATE OR REPLACE grants SET id = 2 WHERE id = 1", {"q"}},
    {"UPDATE OR REPLACE grants SET id = 2, principal = 'user:x' WHERE id = 1", {"p", "q"}},
    {"INSERT INTO grants (principal, path, expires) VALUES ('user:a', 'q', 5)"
     " ON CONFLICT DO UPDATE SET expires = excluded.expires", {"q"}},
    // --- members
    {"DELETE FROM members WHERE id = 1", {"user:a"}},
    {"DELETE FROM members WHERE parent = 'group:g'", {"user:a", "user:b"}},
    {"UPDATE members SET member = 'user:x' WHERE id = 1", {"user:a"}},
    {"UPDATE members SET parent = 'group:x' WHERE id = 1", {"user:a"}},
    {"UPDATE members SET expires = 1999 WHERE id = 1", {"user:a"}},
    {"UPDATE members SET expires = 99999999999 WHERE id = 2", {"user:b"}},
    {"REPLACE INTO members (member, parent, expires) VALUES ('user:a', 'group:g', 1999)", {"user:a"}},
    {"REPLACE INTO members (member, parent, expires) VALUES ('user:b', 'group:g', '5')", {"user:b"}},
    {"REPLACE INTO members (id, member, parent) VALUES (1, 'user:x', 'group:g')", {"user:a"}},
    {"REPLACE INTO members (id, member, parent) VALUES (1, 'user:a', 'group:x')", {"user:a"}},
    {"REPLACE INTO members (id, member, parent, expires) VALUES (1, 'user:b', 'group:g', 5)", {"user:a", "user:b"}},
    {"UPDATE OR REPLACE members SET member = 'user:b' WHERE id = 1", {"user:a", "user:b"}},
    {"UPDATE OR REPLACE members SET id = 2 WHERE id = 1", {"user:b"}},
    {"INSERT INTO members (member, parent, expires) VALUES ('user:b', 'group:g', 5)"
     " ON CONFLICT DO UPDATE SET expires = excluded.expires", {"user:b"}},
    // --- sessions
    {"DELETE FROM sessions WHERE expires = 2000", {"1"}},
    {"DELETE FROM sessions", {"1", "2"}},
    {"UPDATE sessions SET id = printf('%064d', 3) WHERE expires = 2000", {"1"}},
    {"UPDATE sessions SET principal = 'user:x' WHERE expires = 2000", {"1"}},
    {"UPDATE sessions SET expires = 1999 WHERE expires = 2000", {"1"}},
    {"UPDATE sessions SET expires = 5 WHERE expires IS NULL", {"2"}},
    {"UPDATE sessions SET address = '::1'", {"1", "2"}},
    {"REPLACE INTO sessions (id, principal) VALUES (printf('%064d', 1), 'user:x')", {"1"}},
    {"REPLACE INTO sessions (id, principal, expires) VALUES (printf('%064d', 1), 'user:a', 5)", {"1"}},
    {"REPLACE INTO sessions (id, principal, address) VALUES (printf('%064d', 1), 'user:a', '::1')", {"1"}},
    {"REPLACE INTO sessions (id, principal, address) VALUES (printf('%064d', 2), 'user:a', '::1')", {"2"}},
    {"UPDATE OR REPLACE sessions SET id = printf('%064d', 2), principal = 'user:x' WHERE expires = 2000", {"1", "2"}},
    {"UPDATE OR REPLACE sessions SET id = printf('%064d', 2) WHERE expires = 2000", {"1", "2"}},
    {"UPDATE OR REPLACE sessions SET id = printf('%064d', 1) WHERE expires IS NULL", {"1", "2"}},
    {"INSERT INTO sessions (id, principal, expires) VALUES (printf('%064d', 1), 'user:a', 5)"
     " ON CONFLICT DO UPDATE SET expires = excluded.expires", {"1"}},
    // --- links
    {"DELETE FROM links WHERE path = 'p'", {"11"}},
    {"DELETE FROM links", {"11", "12"}},
    {"UPDATE links SET id = printf('%064d', 13) WHERE path = 'p'", {"11"}},
    {"UPDATE links SET principal = 'user:x' WHERE path = 'p'", {"11"}},
    {"UPDATE links SET path = 'p/q' WHERE path = 'p'", {"11"}},
    {"UPDATE links SET expires = 1999 WHERE path = 'p'", {"11"}},
    {"UPDATE links SET expires = 5", {"11", "12"}},
    {"UPDATE links SET uses = 4 WHERE path = 'p'", {"11"}},
    {"UPDATE links SET uses = 9", {"12"}},
    {"UPDATE links SET address = '::1'", {"11", "12"}},
    {"REPLACE INTO links (id, principal, path, uses) VALUES (printf('%064d', 11), 'user:x', 'p', 5)", {"11"}},
    {"REPLACE INTO links (id, principal, path, uses) VALUES (printf('%064d', 11), 'user:a', 'x', 5)", {"11"}},
    {"REPLACE INTO links (id, principal, path, uses) VALUES (printf('%064d', 11), 'user:a', 'p', '4')", {"11"}},
    {"REPLACE INTO links (id, principal, path, expires) VALUES (printf('%064d', 11), 'user:a', 'p', 5)", {"11"}},
    {"REPLACE INTO links (id, principal, path, address) VALUES (printf('%064d', 11), 'user:a', 'p', '::1')", {"11"}},
    {"REPLACE INTO links (id, principal, path, address) VALUES (printf('%064d', 12), 'user:b', 'q', '::1')", {"12"}},
    {"UPDATE OR REPLACE links SET id = printf('%064d', 12) WHERE path = 'p'", {"11", "12"}},
    {"INSERT INTO links (id, principal, path, uses) VALUES (printf('%064d', 11), 'user:a', 'p', 1)"
     " ON CONFLICT DO UPDATE SET uses = excluded.uses", {"11"}},
    // --- signing keys
    {"DELETE FROM signing_keys WHERE id = 'k'", {"p"}},
    {"DELETE FROM signing_keys", {"p", "q"}},
    {"UPDATE signing_keys SET id = 'x' WHERE id = 'k'", {"p"}},
    {"UPDATE signing_keys SET format = 'md5:$uri' WHERE id = 'm'", {"q", "uris"}},
    {"UPDATE signing_keys SET uri_prefix = '/x/'", {"p", "q", "uris"}},
    {"UPDATE signing_keys SET path = 'x' WHERE id = 'k'", {"p"}},
    {"UPDATE signing_keys SET secret = x'62' WHERE id = 'm'", {"q", "uris"}},
    {"UPDATE signing_keys SET retired = 1999", {"p", "q"}},
    {"REPLACE INTO signing_keys (id, format, path, secret) VALUES ('k', 'hmac-sha256', 'x', zeroblob(32))", {"p"}},
    {"REPLACE INTO signing_keys (id, format, path, secret) VALUES ('k', 'hmac-sha256', 'p', zeroblob(33))", {"p"}},
    {"REPLACE INTO signing_keys (id, format, path, secret, retired)"
     " VALUES ('k', 'hmac-sha256', 'p', zeroblob(32), '1999')", {"p"}},
    {"REPLACE INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('m', 'md5:$uri', '/files/', 'q', x'61')", {"q", "uris"}},
    {"REPLACE INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('m', 'md5:$uri secret', '/', 'q', x'61')", {"q", "uris"}},
    {"UPDATE OR REPLACE signing_keys SET id = 'm' WHERE id = 'k'", {"p", "q", "uris"}},
    {"UPDATE signing_keys SET path = 'x' WHERE id = 'm'", {"q", "uris"}},
    {"UPDATE signing_keys SET id = 'x' WHERE id = 'm'", {"q", "uris"}},
    {"UPDATE signing_keys SET format = 'md5:x', uri_prefix = '/' WHERE id = 'k'", {"p", "uris"}},
    {"UPDATE signing_keys SET format = 'hmac-sha256', secret = zeroblob(32) WHERE id = 'm'", {"q", "uris"}},
    {"REPLACE INTO signing_keys (id, format, path, secret) VALUES ('m', 'hmac-sha256', 'q', zeroblob(32))", {"q", "uris"}},
    {"REPLACE INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('m', 'md5:$uri secret', '/files/', 'q', x'62')",
     {"q", "uris"}},
    {"INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('n', 'md5:x', '/files/a', 'q/a', x'62')", {"uris"}},
    {"INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('n', 'md5:x', '/files', 'x', x'62')", {"uris"}},
};

/// Statements that only grant or extend.
const std::vector<const char*> kGains{
    "INSERT INTO owners (path, principal) VALUES ('x', 'user:a')",
    "UPDATE owners SET created = 5",
    "UPDATE owners SET principal = principal, path = path",
    "REPLACE INTO owners (path, principal, created) VALUES ('p', 'user:a', 5)",
    "INSERT INTO owners (path, principal) VALUES ('p', 'user:a')"
    " ON CONFLICT DO UPDATE SET principal = excluded.principal",
    "INSERT INTO grants (principal, path) VALUES ('user:x', 'p')",
    "UPDATE grants SET created = 5",
    "UPDATE grants SET id = id + 10",
    "UPDATE grants SET rights = 'own', expires = NULL",
    "UPDATE grants SET expires = 2001 WHERE id <> 2",
    "REPLACE INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', 'write', 2000)",
    "REPLACE INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', 'own', '2001')",
    "REPLACE INTO grants (principal, path) VALUES ('user:a', 'q')",
    "REPLACE INTO grants (id, principal, path) VALUES (2, 'user:a', 'q')",
    "REPLACE INTO grants (id, principal, path) VALUES (7, 'user:a', 'q')",
    "INSERT INTO grants (principal, path, rights, expires) VALUES ('user:a', 'p', 'write', 3000)"
    " ON CONFLICT DO UPDATE SET expires = excluded.expires",
    "INSERT INTO members (member, parent) VALUES ('user:x', 'group:g')",
    "UPDATE members SET expires = 3000 WHERE expires IS NOT NULL",
    "UPDATE members SET expires = NULL, id = id + 10",
    "REPLACE INTO members (member, parent, expires) VALUES ('user:a', 'group:g', 2001)",
    "INSERT INTO members (member, parent, expires) VALUES ('user:a', 'group:g', NULL)"
    " ON CONFLICT DO UPDATE SET expires = excluded.expires",
    "INSERT INTO sessions (id, principal) VALUES (printf('%064d', 3), 'user:a')",
    "UPDATE sessions SET expires = NULL, address = NULL, created = 5",
    "REPLACE INTO sessions (id, principal) VALUES (printf('%064d', 1), 'user:a')",
    "REPLACE INTO sessions (id, principal, address) VALUES (printf('%064d', 2), 'user:a', '192.0.2.1')",
    "INSERT INTO sessions (id, principal, expires) VALUES (printf('%064d', 1), 'user:a', 2001)"
    " ON CONFLICT DO UPDATE SET expires = excluded.expires",
    "INSERT INTO links (id, principal, path) VALUES (printf('%064d', 13), 'user:a', 'p')",
    "UPDATE links SET expires = NULL, address = NULL, uses = NULL, created = 5",
    "UPDATE links SET label = 'for the press'",
    "UPDATE links SET expires = 2001, uses = 6 WHERE path = 'p'",
    "REPLACE INTO links (id, principal, path) VALUES (printf('%064d', 11), 'user:a', 'p')",
    "REPLACE INTO links (id, principal, path, address) VALUES (printf('%064d', 12), 'user:b', 'q', '192.0.2.1')",
    "INSERT INTO links (id, principal, path, uses) VALUES (printf('%064d', 11), 'user:a', 'p', 6)"
    " ON CONFLICT DO UPDATE SET uses = excluded.uses",
    "INSERT INTO signing_keys (id, format, path, secret) VALUES ('n', 'hmac-sha256', 'p', zeroblob(32))",
    "INSERT INTO signing_keys (id, format, uri_prefix, path, secret) VALUES ('n', 'md5:x', '/filesystem/', 'x', x'62'),"
    " ('o', 'md5:x', '/files', 'q', x'62'), ('p', 'hmac-sha256', '/files/x', 'x', zeroblob(32)), ('r', 'md5:x', '/', 'x', x'62')",
    "UPDATE signing_keys SET retired = NULL, created = 5",
    "UPDATE signing_keys SET retired = 2001 WHERE id = 'k'",
    "REPLACE INTO signing_keys (id, format, path, secret) VALUES ('k', 'hmac-sha256', 'p', zeroblob(32))",
};
// clang-format on

class FeedSchema : public testing::Test {
 protected:
  FeedSchema() {
    EXPECT_TRUE(migrate_schema(connection_, database_, schema_migrations()));
    sql(kRows);
    sql(kRowsOfVersion3);
  }

  void sql(const char* statement) {
    auto done = connection_.execute(statement);
    ASSERT_TRUE(done) << statement << ": " << done.error().message;
  }

  std::int64_t number(std::string_view query) { return connection_.query_integer(query).value(); }
  std::int64_t revision() { return number("SELECT value FROM meta WHERE key = 'revision'"); }

  /// What the statement records, which is then undone. Sessions by their number.
  std::set<std::string> recorded_by(const char* statement) {
    const std::int64_t before = revision();
    sql("BEGIN");
    sql(statement);
    EXPECT_GT(revision(), before) << statement;
    std::set<std::string> found;
    {
      auto rows_of = connection_.prepare(
          "SELECT coalesce(path, principal, iif(token = 'uris', token,"
          " CAST(CAST(token AS INTEGER) AS TEXT))), nullif(token, 'uris') IS NULL"
          " OR length(token) = 64 FROM changes");
      EXPECT_TRUE(rows_of);
      db::Rows rows = rows_of->run();
      while (*rows.next()) {
        found.insert(std::string(rows.text(0)));
        EXPECT_EQ(rows.integer(1), 1) << statement;
      }
    }
    sql("ROLLBACK");
    return found;
  }

  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "policy.db";
  db::Connection connection_ =
      std::move(db::Connection::open(database_, db::Mode::kCreate)).value();
};

TEST_F(FeedSchema, WhatTakesAccessAwayIsRecorded) {
  for (const Case& one : kLosses) EXPECT_EQ(recorded_by(one.sql), one.recorded) << one.sql;
}

TEST_F(FeedSchema, WhatGrantsOrExtendsRecordsNothing) {
  for (const char* statement : kGains) {
    EXPECT_EQ(recorded_by(statement), std::set<std::string>()) << statement;
  }
}

TEST_F(FeedSchema, WithRecursiveTriggersNoLossIsMissed) {
  sql("PRAGMA recursive_triggers = ON");
  for (const Case& one : kLosses) {
    const auto found = recorded_by(one.sql);
    for (const std::string& name : one.recorded) EXPECT_TRUE(found.contains(name)) << one.sql;
  }
}

TEST_F(FeedSchema, ARowOfTheFeedNamesOneThing) {
  EXPECT_FALSE(connection_.execute("INSERT INTO changes (path, principal) VALUES ('p', 'user:a')"));
  EXPECT_FALSE(connection_.execute("INSERT INTO changes (path, token) VALUES ('p', 'x')"));
  EXPECT_FALSE(connection_.execute("INSERT INTO changes (path) VALUES (NULL)"));
  EXPECT_TRUE(connection_.execute("INSERT INTO changes (path) VALUES ('')"));
}

TEST_F(FeedSchema, EveryRowRaisesTheRevision) {
  const std::int64_t before = revision();
  sql("DELETE FROM owners");
  EXPECT_EQ(revision(), before + 3);
  sql("UPDATE grants SET created = 1");
  EXPECT_EQ(revision(), before + 6);
  sql("INSERT INTO grants (principal, path) VALUES ('user:x', 'p'), ('user:x', 'q')");
  EXPECT_EQ(revision(), before + 8);
}

TEST_F(FeedSchema, TheFeedKeepsTheNewestTenThousandRows) {
  sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
      " INSERT INTO grants (principal, path) SELECT 'user:x', 'f' || i FROM n");
  sql("DELETE FROM grants WHERE principal = 'user:x'");
  EXPECT_EQ(number("SELECT count(*) FROM changes"), 10000);
  EXPECT_EQ(number("SELECT max(seq) FROM changes"), 30000);
  EXPECT_EQ(number("SELECT min(seq) FROM changes"), 20001);
}

TEST_F(FeedSchema, ADatabaseOfVersionOneIsMigratedInPlace) {
  const auto old = directory_.path() / "old.db";
  auto connection = db::Connection::open(old, db::Mode::kCreate);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(migrate_schema(*connection, old, schema_migrations().first(1)));
  ASSERT_TRUE(connection->execute(kRows));
  ASSERT_TRUE(connection->execute("PRAGMA journal_mode = WAL"));
  ASSERT_TRUE(connection->execute("DELETE FROM owners WHERE path = 'r'"));

  auto refused = Policy::open({.database = old});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kDatabase);
  EXPECT_NE(refused.error().message.find(fmt::format("grantctl --db {} init", old.string())),
            std::string::npos)
      << refused.error().message;

  auto outcome = init_database(old);
  ASSERT_TRUE(outcome) << outcome.error().message;
  EXPECT_EQ(outcome->outcome, InitOutcome::kMigrated);
  EXPECT_TRUE(Policy::open({.database = old}));
  EXPECT_EQ(*connection->query_integer("SELECT count(*) FROM grants"), 3);
  EXPECT_EQ(*connection->query_integer("SELECT count(*) FROM changes"), 0);
  ASSERT_TRUE(connection->execute("DELETE FROM grants WHERE id = 2"));
  EXPECT_EQ(*connection->query_integer("SELECT count(*) FROM changes WHERE path = 'q'"), 1);
  EXPECT_EQ(init_database(old)->outcome, InitOutcome::kAlreadyCurrent);
}

using Rows = std::vector<std::string>;

/// Every row of a query, its columns as SQL would write them.
Rows rows_of(db::Connection& connection, const std::string& sql) {
  Rows found;
  auto statement = connection.prepare(sql);
  EXPECT_TRUE(statement) << statement.error().message;
  db::Rows rows = statement->run();
  while (rows.next().value()) {
    std::string line;
    for (int i = 0; i < rows.columns(); ++i) line += std::string(rows.text(i)) + '|';
    found.push_back(line);
  }
  return found;
}

/// Whole stores spelt as before version 5, and what must not be touched.
constexpr const char* kVersion4Rows =
    "INSERT INTO owners (path, principal, created) VALUES ('', 'user:a', 5), ('p', 'user:b', 6);"
    "INSERT INTO grants (id, principal, path, rights, expires, created) VALUES"
    " (7, 'user:a', '', 'own', 1999999999, 8), (9, 'user:b', CAST(x'ff2f61' AS TEXT), 'read', NULL,"
    " 10);"
    "INSERT INTO links (id, principal, path, uses, created) VALUES"
    " (printf('%064d', 1), 'user:a', '', 3, 11), (printf('%064d', 2), 'user:a', 'p', NULL, 12);"
    "INSERT INTO signing_keys (id, format, uri_prefix, path, secret, created) VALUES"
    " ('k1', 'hmac-sha256', NULL, '', zeroblob(32), 13), ('k2', 'md5:$uri', '/s', 'p', x'61', 14);"
    "INSERT INTO changes (path) VALUES (''), ('p'); DELETE FROM changes WHERE path = 'p';"
    "CREATE INDEX foreign_index ON grants (created);"
    "CREATE TABLE own_table (x); CREATE VIEW own_view AS SELECT path FROM grants;"
    "CREATE TRIGGER own_trigger AFTER INSERT ON own_table BEGIN"
    " DELETE FROM grants WHERE path = NEW.x; END;";

TEST_F(FeedSchema, TheWholeStoreIsSpeltAnewAndEverythingElseIsKept) {
  const auto old = directory_.path() / "old.db";
  auto connection = db::Connection::open(old, db::Mode::kCreate);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(migrate_schema(*connection, old, schema_migrations().first(4)));
  ASSERT_TRUE(connection->execute(kVersion4Rows));
  // The same of both: a blank path counts as what it is to become.
  const auto tables = {
      "SELECT iif(path = '', '.', path), principal, created FROM owners ORDER BY path",
      "SELECT id, principal, iif(path = '', '.', path), rights, expires, created FROM grants"
      " ORDER BY id",
      "SELECT id, principal, iif(path = '', '.', path), expires, address, uses, created FROM links"
      " ORDER BY id",
      "SELECT id, format, uri_prefix, iif(path = '', '.', path), hex(secret), created, retired"
      " FROM signing_keys ORDER BY id",
      "SELECT seq, iif(path = '', '.', path), principal, token FROM changes ORDER BY seq",
      "SELECT * FROM sqlite_sequence"};
  std::vector<Rows> before;
  for (const char* sql : tables) before.push_back(rows_of(*connection, sql));
  const Rows objects = rows_of(*connection,
                               "SELECT type, name, sql FROM sqlite_schema WHERE type <> 'table'"
                               " AND sql NOTNULL ORDER BY name");

  ASSERT_TRUE(migrate_schema(*connection, old, schema_migrations()));
  std::vector<Rows> after;
  for (const char* sql : tables) after.push_back(rows_of(*connection, sql));
  EXPECT_EQ(after, before);
  EXPECT_EQ(*connection->query_integer("SELECT (SELECT count(*) FROM owners WHERE path = '.') +"
                                       " (SELECT count(*) FROM grants WHERE path = '.') +"
                                       " (SELECT count(*) FROM links WHERE path = '.') +"
                                       " (SELECT count(*) FROM signing_keys WHERE path = '.') +"
                                       " (SELECT count(*) FROM changes WHERE path = '.')"),
            5);
  EXPECT_EQ(rows_of(*connection,
                    "SELECT type, name, sql FROM sqlite_schema WHERE type <> 'table'"
                    " AND sql NOTNULL ORDER BY name"),
            objects);
  // What init makes of nothing is what it makes of an older one, by the letter.
  EXPECT_EQ(rows_of(*connection,
                    "SELECT type, name, tbl_name, sql FROM sqlite_schema"
                    " WHERE name NOT GLOB 'own_*' AND name NOT GLOB 'foreign_*'"
                    " ORDER BY type, name"),
            rows_of(connection_,
                    "SELECT type, name, tbl_name, sql FROM sqlite_schema"
                    " ORDER BY type, name"));
  EXPECT_EQ(*connection->query_integer("PRAGMA application_id"), kApplicationId);
  EXPECT_EQ(rows_of(*connection, "PRAGMA integrity_check"), Rows{"ok|"});
  for (const char* blank : {"UPDATE owners SET path = ''", "UPDATE grants SET path = ''",
                            "UPDATE links SET path = ''", "UPDATE signing_keys SET path = ''"}) {
    auto refused = connection->execute(blank);
    ASSERT_FALSE(refused) << blank;
    EXPECT_NE(refused.error().message.find("path_is_canonical"), std::string::npos)
        << refused.error().message;
  }
}

TEST_F(FeedSchema, AColumnThatWouldBeLostLeavesTheDatabaseAsItWas) {
  const auto old = directory_.path() / "old.db";
  auto connection = db::Connection::open(old, db::Mode::kCreate);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(migrate_schema(*connection, old, schema_migrations().first(4)));
  ASSERT_TRUE(connection->execute("ALTER TABLE grants ADD COLUMN note TEXT"));
  auto refused = migrate_schema(*connection, old, schema_migrations());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("grants.note"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(*connection->query_integer("SELECT value FROM meta WHERE key = 'schema'"), 4);
  EXPECT_EQ(*connection->query_integer("SELECT count(*) FROM pragma_table_info('grants')"), 7);
}

TEST_F(FeedSchema, AColumnOfTheNameOfANewOneLeavesTheDatabaseAsItWas) {
  const auto old = directory_.path() / "old.db";
  auto connection = db::Connection::open(old, db::Mode::kCreate);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(migrate_schema(*connection, old, schema_migrations().first(5)));
  ASSERT_TRUE(connection->execute("ALTER TABLE links ADD COLUMN label TEXT"));
  auto refused = migrate_schema(*connection, old, schema_migrations());
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("label"), std::string::npos) << refused.error().message;
  EXPECT_EQ(*connection->query_integer("SELECT value FROM meta WHERE key = 'schema'"), 5);
  ASSERT_TRUE(connection->execute("ALTER TABLE links RENAME COLUMN label TO note"));
  EXPECT_TRUE(migrate_schema(*connection, old, schema_migrations()));
  EXPECT_EQ(*connection->query_integer("SELECT count(*) FROM pragma_table_info('links')"), 9);
}

}  // namespace
}  // namespace grantfs
