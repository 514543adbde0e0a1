#include "policy/schema/schema.h"

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/quote.h"
#include "grantfs/admin.h"
#include "grantfs/principal.h"
#include "grantfs/store_path.h"
#include "grantfs/token.h"
#include "support/samples.h"
#include "support/temporary_directory.h"

namespace grantfs {
namespace {

class Schema : public testing::Test {
 protected:
  static db::Connection open(const std::filesystem::path& database) {
    return std::move(db::Connection::open(database, db::Mode::kCreate)).value();
  }

  /// Whether the database takes the row: `sql` with these texts for its parameters.
  template <class... Texts>
  bool takes(std::string_view sql, const Texts&... texts) {
    auto statement = connection_.prepare(sql);
    EXPECT_TRUE(statement) << sql;
    return statement && statement->execute(std::string_view(texts)...).ok();
  }

  std::int64_t number(std::string_view sql) { return connection_.query_integer(sql).value(); }

  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "policy.db";
  db::Connection connection_ = open(database_);
};

class CurrentSchema : public Schema {
 protected:
  CurrentSchema() { EXPECT_TRUE(migrate_schema(connection_, database_, schema_migrations())); }
};

TEST_F(CurrentSchema, TakesThePrincipalsThatTheParserTakes) {
  for (const std::string& text : samples::good_principals()) {
    ASSERT_TRUE(Principal::parse(text)) << quoted(text);
    EXPECT_TRUE(takes("INSERT OR REPLACE INTO owners (path, principal) VALUES ('p', ?)", text))
        << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO grants (path, principal) VALUES ('p', ?)", text))
        << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO members (parent, member) VALUES ('group:g', ?)", text))
        << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO sessions (id, principal) VALUES (?, ?)",
                      TokenHash::of(text).hex(), text))
        << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO links (id, principal, path) VALUES (?, ?, 'p')",
                      TokenHash::of(text).hex(), text))
        << quoted(text);
  }
}

TEST_F(CurrentSchema, RefusesThePrincipalsThatTheParserRefuses) {
  for (const std::string& text : samples::bad_principals()) {
    ASSERT_FALSE(Principal::parse(text)) << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO owners (path, principal) VALUES ('p', ?)", text))
        << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO grants (path, principal) VALUES ('p', ?)", text))
        << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO members (parent, member) VALUES ('group:g', ?)", text))
        << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO sessions (id, principal) VALUES (?, ?)",
                       TokenHash::of(text).hex(), text))
        << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO links (id, principal, path) VALUES (?, ?, 'p')",
                       TokenHash::of(text).hex(), text))
        << quoted(text);
  }
}

TEST_F(CurrentSchema, OnlyGroupsHaveMembers) {
  for (const std::string& text : samples::good_principals()) {
    EXPECT_EQ(takes("INSERT INTO members (member, parent) VALUES ('user:a', ?)", text),
              text.starts_with("group:"))
        << quoted(text);
  }
  for (const std::string& text : samples::bad_principals()) {
    EXPECT_FALSE(takes("INSERT INTO members (member, parent) VALUES ('user:a', ?)", text))
        << quoted(text);
  }
}

TEST_F(CurrentSchema, TakesThePathsThatTheParserTakes) {
  for (const std::string& text : samples::good_paths()) {
    ASSERT_TRUE(StorePath::parse(text)) << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO owners (principal, path) VALUES ('user:a', ?)", text))
        << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO grants (principal, path) VALUES ('user:a', ?)", text))
        << quoted(text);
    EXPECT_TRUE(takes("INSERT INTO links (id, principal, path) VALUES (?, 'user:a', ?)",
                      TokenHash::of(text).hex(), text))
        << quoted(text);
    EXPECT_TRUE(
        takes("INSERT INTO signing_keys (id, format, path, secret)"
              " VALUES (?, 'hmac-sha256', ?, zeroblob(32))",
              TokenHash::of(text).hex().substr(32), text))
        << quoted(text);
  }
}

TEST_F(CurrentSchema, RefusesThePathsThatTheParserRefuses) {
  for (const std::string& text : samples::bad_paths()) {
    ASSERT_FALSE(StorePath::parse(text)) << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO owners (principal, path) VALUES ('user:a', ?)", text))
        << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO grants (principal, path) VALUES ('user:a', ?)", text))
        << quoted(text);
    EXPECT_FALSE(takes("INSERT INTO links (id, principal, path) VALUES (?, 'user:a', ?)",
                       TokenHash::of(text).hex(), text))
        << quoted(text);
    EXPECT_FALSE(
        takes("INSERT INTO signing_keys (id, format, path, secret)"
              " VALUES (?, 'hmac-sha256', ?, zeroblob(32))",
              TokenHash::of(text).hex().substr(32), text))
        << quoted(text);
  }
}

TEST_F(CurrentSchema, RefusesWhatIsNotText) {
  for (const char* value : {"NULL", "x'ff'", "x'61'"}) {
    EXPECT_FALSE(
        takes(fmt::format("INSERT INTO owners (path, principal) VALUES ({}, 'user:a')", value)))
        << value;
    EXPECT_FALSE(takes(fmt::format("INSERT INTO owners (path, principal) VALUES ('p', {})", value)))
        << value;
  }
}

TEST_F(CurrentSchema, ExpiriesAreUnixSecondsOrNever) {
  const std::string id = TokenHash::of("x").hex();
  const auto takes_expiry = [&](const char* value) {
    const bool grant = takes(fmt::format(
        "INSERT OR REPLACE INTO grants (principal, path, expires) VALUES ('user:a', 'p', {})",
        value));
    const bool member = takes(fmt::format(
        "INSERT OR REPLACE INTO members (member, parent, expires) VALUES ('user:a', 'group:g', {})",
        value));
    const bool session = takes(fmt::format(
        "INSERT OR REPLACE INTO sessions (id, principal, expires) VALUES ('{}', 'user:a', {})", id,
        value));
    const bool link = takes(fmt::format(
        "INSERT OR REPLACE INTO links (id, principal, path, expires) VALUES ('{}', 'user:a', 'p',"
        " {})",
        id, value));
    const bool key =
        takes(fmt::format("INSERT OR REPLACE INTO signing_keys (id, format, path, secret, retired)"
                          " VALUES ('k', 'hmac-sha256', 'p', zeroblob(32), {})",
                          value));
    EXPECT_EQ(grant, member) << value;
    EXPECT_EQ(grant, session) << value;
    EXPECT_EQ(grant, link) << value;
    EXPECT_EQ(grant, key) << value;
    return grant;
  };
  EXPECT_TRUE(takes_expiry("NULL"));
  EXPECT_TRUE(takes_expiry("0"));
  EXPECT_TRUE(takes_expiry("1893456000"));
  EXPECT_TRUE(takes_expiry("99999999999"));
  EXPECT_FALSE(takes_expiry("-1"));
  EXPECT_FALSE(takes_expiry("100000000000"));
  EXPECT_FALSE(takes_expiry("1893456000000"));  // milliseconds
  EXPECT_FALSE(takes_expiry("'2030-01-01'"));
  EXPECT_FALSE(takes_expiry("'2030-01-01T00:00:00Z'"));
  EXPECT_FALSE(takes_expiry("''"));
  EXPECT_FALSE(takes_expiry("1893456000.5"));
  EXPECT_FALSE(takes_expiry("9e999"));
  EXPECT_FALSE(takes_expiry("x'00'"));
}

TEST_F(CurrentSchema, ATimeAsTextOfDigitsIsStoredAsANumber) {
  EXPECT_TRUE(
      takes("INSERT INTO grants (principal, path, expires) VALUES ('user:a', 'p', '1893456000')"));
  EXPECT_EQ(number("SELECT typeof(expires) = 'integer' FROM grants"), 1);
}

TEST_F(CurrentSchema, IdsOfSessionsAndLinksAreHashes) {
  const std::string good = TokenHash::of("x").hex();
  const auto takes_id = [&](const std::string& id) {
    const bool link =
        takes("INSERT INTO links (id, principal, path) VALUES (?, 'user:a', '.')", id);
    const bool session = takes("INSERT INTO sessions (id, principal) VALUES (?, 'user:a')", id);
    EXPECT_EQ(link, session) << quoted(id);
    return session;
  };
  EXPECT_TRUE(takes_id(good));
  EXPECT_FALSE(takes_id(good));  // once
  std::string upper = good;
  upper[0] = 'A';
  for (const std::string& id :
       {std::string(), good.substr(1), good + "0", upper, "g" + good.substr(1),
        good.substr(2) + "\xc3\xa9", good.substr(1) + '\0', good + '\0',
        std::string("a secret token put here by mistake")}) {
    EXPECT_FALSE(takes_id(id)) << quoted(id);
  }
}

TEST_F(CurrentSchema, RightsAreTheThreeThereAre) {
  const auto takes_right = [&](const char* right) {
    return takes("INSERT OR REPLACE INTO grants (principal, path, rights) VALUES ('user:a','p',?)",
                 std::string(right));
  };
  EXPECT_TRUE(takes_right("read"));
  EXPECT_TRUE(takes_right("write"));
  EXPECT_TRUE(takes_right("own"));
  EXPECT_FALSE(takes_right(""));
  EXPECT_FALSE(takes_right("READ"));
  EXPECT_FALSE(takes_right("deny"));
}

TEST_F(CurrentSchema, AnAddressIsShortTextOrNone) {
  const auto takes_address = [&](const std::string& address) {
    return takes("INSERT OR REPLACE INTO sessions (id, principal, address) VALUES (?, 'user:a', ?)",
                 TokenHash::of("x").hex(), address);
  };
  EXPECT_TRUE(takes_address("::"));
  EXPECT_TRUE(takes_address("192.0.2.0/24"));
  EXPECT_FALSE(takes_address(""));
  EXPECT_FALSE(takes_address(std::string(65, 'x')));
}

TEST_F(CurrentSchema, ALinksAddressIsMadeOfWhatAddressesAreMadeOf) {
  const auto takes_address = [&](const std::string& address) {
    return takes(
        "INSERT OR REPLACE INTO links (id, principal, path, address)"
        " VALUES (?, 'user:a', 'p', ?)",
        TokenHash::of("x").hex(), address);
  };
  EXPECT_TRUE(takes_address("::"));
  EXPECT_TRUE(takes_address("2001:db8::/64"));
  EXPECT_TRUE(takes_address("192.0.2.0/24"));
  for (const std::string& address :
       {std::string(), std::string("localhost"), std::string("2001:DB8::"), std::string(65, '1'),
        samples::bytes("192.0.2.1\0")}) {
    EXPECT_FALSE(takes_address(address)) << quoted(address);
  }
}

TEST_F(CurrentSchema, UsesAreAPositiveNumberOrAny) {
  const auto takes_uses = [&](const char* value) {
    return takes(
        fmt::format("INSERT OR REPLACE INTO links (id, principal, path, uses)"
                    " VALUES ('{}', 'user:a', 'p', {})",
                    TokenHash::of("x").hex(), value));
  };
  for (const char* good : {"NULL", "1", "1000000000", "'3'"}) EXPECT_TRUE(takes_uses(good)) << good;
  for (const char* bad : {"0", "-1", "1000000001", "''", "'x'", "1.5", "9e999", "x'01'"}) {
    EXPECT_FALSE(takes_uses(bad)) << bad;
  }
}

TEST_F(CurrentSchema, ASigningKeySaysWhatItSignsAndHasASecret) {
  const auto takes_key = [&](const std::string& id, const std::string& format, const char* prefix,
                             const char* secret) {
    return takes(fmt::format("INSERT OR REPLACE INTO signing_keys (id, format, uri_prefix, path,"
                             " secret) VALUES (?, ?, {}, 'p', {})",
                             prefix, secret),
                 id, format);
  };
  EXPECT_TRUE(takes_key("k", "hmac-sha256", "NULL", "zeroblob(32)"));
  EXPECT_TRUE(takes_key("k", "hmac-sha256", "'/files/'", "zeroblob(1024)"));
  EXPECT_TRUE(takes_key("Key2", "md5:$secure_link_expires$uri secret", "'/'", "x'61'"));
  EXPECT_FALSE(takes_key("k", "md5:$uri", "NULL", "x'61'"));
  EXPECT_FALSE(takes_key("k", "md5:", "'/'", "x'61'"));
  EXPECT_FALSE(takes_key("k", "sha1", "'/'", "x'61'"));
  EXPECT_FALSE(takes_key("k", "md5:$uri", "'files/'", "x'61'"));
  EXPECT_FALSE(takes_key("k", "md5:$uri", "''", "x'61'"));
  for (const char* secret : {"NULL", "x''", "zeroblob(31)", "zeroblob(1025)", "'text'", "7"}) {
    EXPECT_FALSE(takes_key("k", "hmac-sha256", "NULL", secret)) << secret;
  }
  for (const std::string& id : {std::string(), std::string("a.b"), std::string("a/b"),
                                std::string("a-b"), std::string(33, 'k'), samples::bytes("k\0")}) {
    EXPECT_FALSE(takes_key(id, "hmac-sha256", "NULL", "zeroblob(32)")) << quoted(id);
  }
}

TEST_F(CurrentSchema, APathHasOneOwnerAndAPrincipalOneGrantOnIt) {
  EXPECT_TRUE(takes("INSERT INTO owners (path, principal) VALUES ('p', 'user:a')"));
  EXPECT_FALSE(takes("INSERT INTO owners (path, principal) VALUES ('p', 'user:b')"));
  EXPECT_TRUE(takes("INSERT INTO grants (path, principal) VALUES ('p', 'user:a')"));
  EXPECT_TRUE(takes("INSERT INTO grants (path, principal) VALUES ('p', 'user:b')"));
  EXPECT_FALSE(takes("INSERT INTO grants (path, principal) VALUES ('p', 'user:a')"));
}

TEST_F(CurrentSchema, AnUpsertMayChangeARowButNotBreakIt) {
  EXPECT_TRUE(takes("INSERT INTO owners (path, principal) VALUES ('p', 'user:a')"));
  EXPECT_FALSE(takes("UPDATE owners SET path = '../p'"));
  EXPECT_FALSE(takes("UPDATE owners SET principal = 'nobody'"));
  EXPECT_TRUE(takes("UPDATE owners SET principal = 'user:b'"));
}

TEST_F(CurrentSchema, TakesLabelsThatAreALineOfText) {
  const auto takes_label = [&](const std::string& label) {
    return takes(
        "INSERT OR REPLACE INTO links (id, principal, path, label)"
        " VALUES (printf('%064d', 1), 'user:a', 'p', ?)",
        label);
  };
  for (const std::string& label :
       {std::string("a"), std::string("für die Presse"), std::string(200, 'x')}) {
    EXPECT_TRUE(takes_label(label)) << label;
    EXPECT_TRUE(check_link_label(label)) << label;
  }
  for (const std::string& label : {std::string(), std::string(201, 'x'), std::string("a\nb"),
                                   std::string("a\0b", 3), std::string("\x7f")}) {
    EXPECT_FALSE(takes_label(label)) << quoted(label);
    EXPECT_FALSE(check_link_label(label)) << quoted(label);
  }
}

// --- versions ---------------------------------------------------------------------------------

constexpr const char* kOldest =
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE things (name TEXT);";
constexpr const char* kNext = "ALTER TABLE things ADD COLUMN size INTEGER DEFAULT 7;";

TEST_F(Schema, AnEmptyFileBecomesAPolicyDatabase) {
  auto steps = migrate_schema(connection_, database_, schema_migrations());
  ASSERT_TRUE(steps) << steps.error().message;
  EXPECT_EQ(*steps, current_schema_version());
  EXPECT_EQ(number("PRAGMA application_id"), kApplicationId);
  EXPECT_TRUE(check_schema(connection_, database_));
}

TEST_F(Schema, AnOlderVersionIsMigratedAndKeepsItsRows) {
  const std::array oldest{kOldest};
  ASSERT_TRUE(migrate_schema(connection_, database_, oldest));
  ASSERT_TRUE(takes("INSERT INTO things (name) VALUES ('kept')"));

  const std::array both{kOldest, kNext};
  auto steps = migrate_schema(connection_, database_, both);
  ASSERT_TRUE(steps) << steps.error().message;
  EXPECT_EQ(*steps, 1);
  EXPECT_EQ(number("SELECT size FROM things WHERE name = 'kept'"), 7);
  EXPECT_EQ(number("SELECT value FROM meta WHERE key = 'schema'"), 2);
  EXPECT_EQ(*migrate_schema(connection_, database_, both), 0);
}

TEST_F(Schema, AMigrationThatFailsLeavesTheDatabaseAsItWas) {
  const std::array oldest{kOldest};
  ASSERT_TRUE(migrate_schema(connection_, database_, oldest));
  const std::array broken{kOldest, kNext, "CREATE TABLE things (again TEXT);"};
  EXPECT_FALSE(migrate_schema(connection_, database_, broken));
  EXPECT_EQ(number("SELECT value FROM meta WHERE key = 'schema'"), 1);
  EXPECT_EQ(number("SELECT count(*) FROM pragma_table_info('things')"), 1);
}

TEST_F(Schema, ANewerDatabaseIsRefusedAndLeftAsItWas) {
  const std::array both{kOldest, kNext};
  ASSERT_TRUE(migrate_schema(connection_, database_, both));
  const std::array oldest{kOldest};
  auto refused = migrate_schema(connection_, database_, oldest);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kDatabase);
  EXPECT_NE(refused.error().message.find("newer"), std::string::npos);
  EXPECT_EQ(number("SELECT value FROM meta WHERE key = 'schema'"), 2);
}

TEST_F(Schema, AForeignDatabaseIsRefusedAndLeftAsItWas) {
  ASSERT_TRUE(connection_.execute("CREATE TABLE songs (title TEXT)"));
  auto refused = migrate_schema(connection_, database_, schema_migrations());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kDatabase);
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema"), 1);
  EXPECT_EQ(number("PRAGMA application_id"), 0);
  EXPECT_FALSE(check_schema(connection_, database_));
}

TEST_F(Schema, AnEmptyDatabaseOfAnotherProgramIsForeignToo) {
  ASSERT_TRUE(connection_.execute("PRAGMA application_id = 42"));
  EXPECT_FALSE(migrate_schema(connection_, database_, schema_migrations()));
  EXPECT_EQ(number("SELECT count(*) FROM sqlite_schema"), 0);
}

TEST_F(CurrentSchema, ADatabaseOfAnotherVersionIsRefusedWithWhatToDo) {
  ASSERT_TRUE(takes("UPDATE meta SET value = value + 1 WHERE key = 'schema'"));
  auto newer = check_schema(connection_, database_);
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().message.find("upgrade"), std::string::npos);
  ASSERT_TRUE(takes("UPDATE meta SET value = 0 WHERE key = 'schema'"));
  auto older = check_schema(connection_, database_);
  ASSERT_FALSE(older);
  EXPECT_NE(older.error().message.find("init"), std::string::npos);
}

// --- permissions ------------------------------------------------------------------------------

TEST_F(CurrentSchema, APrivateDatabaseIsAccepted) {
  EXPECT_TRUE(check_database_is_private(database_));
}

TEST_F(CurrentSchema, ADirectoryOpenToOthersIsRefusedWithTheRemedy) {
  for (const mode_t mode : {0701, 0704, 0702, 0777}) {
    ASSERT_EQ(::chmod(directory_.path().c_str(), mode), 0);
    auto refused = check_database_is_private(database_);
    ASSERT_FALSE(refused) << mode;
    EXPECT_NE(refused.error().message.find("chmod o="), std::string::npos);
  }
  ASSERT_EQ(::chmod(directory_.path().c_str(), 02770), 0);
  EXPECT_TRUE(check_database_is_private(database_));
}

TEST_F(CurrentSchema, AFileThatOthersMayWriteIsRefused) {
  ASSERT_EQ(::chmod(database_.c_str(), 0662), 0);
  EXPECT_FALSE(check_database_is_private(database_));
  ASSERT_EQ(::chmod(database_.c_str(), 0664), 0);
  EXPECT_TRUE(check_database_is_private(database_));
}

TEST_F(Schema, AMissingDatabaseIsNotFound) {
  auto missing = check_database_is_private(directory_.path() / "none.db");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kNotFound);
}

}  // namespace
}  // namespace grantfs
