#include "grantfs/policy.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>

#include "db/connection.h"
#include "grantfs/admin.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

TEST_F(PolicyTest, NothingIsAllowedByAnEmptyDatabase) {
  EXPECT_EQ(decide(Anyone{}, ""), Access::kNone);
  EXPECT_EQ(decide(SystemUser{0}, "a"), Access::kNone);
  EXPECT_EQ(decide(named("user:alice"), "a/b"), Access::kNone);
}

TEST_F(PolicyTest, AnOwnerReadsItsPathAndAllBelow) {
  sql("INSERT INTO owners (path, principal) VALUES ('a/b', 'user:alice')");
  EXPECT_EQ(decide(named("user:alice"), "a/b"), Access::kRead);
  EXPECT_EQ(decide(named("user:alice"), "a/b/c/d"), Access::kRead);
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kPassage);
  EXPECT_EQ(decide(named("user:alice"), ""), Access::kPassage);
  EXPECT_EQ(decide(named("user:alice"), "a/bc"), Access::kNone);
  EXPECT_EQ(decide(named("user:bob"), "a/b"), Access::kNone);
}

TEST_F(PolicyTest, NamesThatSortAroundTheSlashAreToldApart) {
  sql("INSERT INTO grants (principal, path) VALUES ('user:alice', 'f-x/1'), ('user:alice', 'f.x'),"
      " ('user:alice', 'f0')");
  EXPECT_EQ(decide(named("user:alice"), "f"), Access::kNone);
  EXPECT_EQ(decide(named("user:alice"), "f-x"), Access::kPassage);
}

TEST_F(PolicyTest, AGrantEndsAtItsExpiry) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('user:alice', 'a', 2000000010)");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  now_ += std::chrono::seconds{9};
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  now_ += std::chrono::seconds{1};
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kNone);
  EXPECT_EQ(decide(named("user:alice"), ""), Access::kNone);
}

TEST_F(PolicyTest, ASessionIsItsPrincipalWhileItLives) {
  const auto token = TokenHash::of("0123456789abcdef");
  const Identity bearer = SessionBearer{token};
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  EXPECT_EQ(decide(bearer, "a"), Access::kClosed);
  sql("INSERT INTO sessions (id, principal, expires) VALUES ('" + token.hex() +
      "', 'user:alice', 2000000001)");
  EXPECT_EQ(decide(bearer, "a"), Access::kRead);
  now_ += std::chrono::seconds{1};
  EXPECT_EQ(decide(bearer, "a"), Access::kClosed);
}

TEST_F(PolicyTest, ASessionBoundToAnAddressIsClosedHere) {
  const auto token = TokenHash::of("0123456789abcdef");
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  sql("INSERT INTO sessions (id, principal, address) VALUES ('" + token.hex() +
      "', 'user:alice', '192.0.2.1')");
  EXPECT_EQ(decide(SessionBearer{token}, "a"), Access::kClosed);
}

TEST_F(PolicyTest, PublicIsEveryonesAndMayBelongToGroups) {
  sql("INSERT INTO grants (principal, path) VALUES ('public', 'p'), ('group:all', 'g')");
  sql("INSERT INTO members (member, parent) VALUES ('public', 'group:all')");
  for (const Identity& who : {Identity(Anyone{}), Identity(SystemUser{7}), named("user:x")}) {
    EXPECT_EQ(decide(who, "p"), Access::kRead);
    EXPECT_EQ(decide(who, "g"), Access::kRead);
  }
}

TEST_F(PolicyTest, SystemGroupsCountForSystemUsers) {
  sql("INSERT INTO grants (principal, path) VALUES ('gid:50', 'a'), ('uid:7', 'b')");
  EXPECT_EQ(decide(SystemUser{7}, "a"), Access::kNone);
  EXPECT_EQ(decide(SystemUser{7}, "b"), Access::kRead);
  EXPECT_EQ(decide(SystemUser{8}, "b"), Access::kNone);
  groups_ = {50};
  EXPECT_EQ(decide(SystemUser{7}, "a"), Access::kRead);
}

TEST_F(PolicyTest, GroupsNestAndCyclesEnd) {
  sql("INSERT INTO grants (principal, path) VALUES ('group:c', 'a')");
  sql("INSERT INTO members (member, parent) VALUES ('user:alice', 'group:a'),"
      " ('group:a', 'group:b'), ('group:b', 'group:c'), ('group:c', 'group:a')");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  sql("DELETE FROM members WHERE member = 'group:a'");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kNone);
}

TEST_F(PolicyTest, AnExpiredMembershipLeadsNowhere) {
  sql("INSERT INTO grants (principal, path) VALUES ('group:g', 'a')");
  sql("INSERT INTO members (member, parent, expires) VALUES ('user:alice', 'group:g', 2000000000)");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kNone);
  now_ -= std::chrono::seconds{1};
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
}

TEST_F(PolicyTest, AFolderWithARuleOnWhatIsNoNameIsNotListed) {
  sql("PRAGMA ignore_check_constraints = ON");
  for (const char* odd : {"/bob", "./bob", "../bob", "a//b", "a/../b", ".."}) {
    sql("DELETE FROM grants");
    sql(std::string("INSERT INTO grants (principal, path) VALUES ('user:alice', '") + odd + "')");
    const bool is_below_a = std::string_view(odd).starts_with("a/");
    EXPECT_FALSE(policy_->list(named("user:alice"), path(is_below_a ? "a" : ""))) << odd;
  }
}

TEST_F(PolicyTest, AListingNamesEachChildOnceAndWidest) {
  sql("INSERT INTO grants (principal, path) VALUES ('user:alice', 'f/a'), ('user:alice', 'f/a/x'),"
      " ('user:alice', 'f/a-b/y'), ('user:alice', 'f/a.txt'), ('user:alice', 'f/b/1'),"
      " ('user:alice', 'f/b/2'), ('user:alice', 'f/b0'), ('user:bob', 'f/c')");
  sql("INSERT INTO owners (path, principal) VALUES ('f/b', 'public'), ('f/d/e', 'public')");
  auto listing = policy_->list(named("user:alice"), path("f"));
  ASSERT_TRUE(listing);
  EXPECT_EQ(listing->access, Access::kPassage);
  std::string shown;
  for (const ListedName& name : listing->names) {
    shown += name.name + (name.access == Access::kRead ? "! " : "? ");
  }
  EXPECT_EQ(shown, "a! a-b? a.txt! b! b0! d? ");
}

TEST_F(PolicyTest, EveryQueryIsAnIndexSeek) {
  auto plans = policy_->query_plans();
  ASSERT_TRUE(plans);
  ASSERT_GE(plans->size(), 6U);
  for (const std::string& plan : *plans) {
    EXPECT_EQ(plan.find("SCAN"), std::string::npos) << plan;
    EXPECT_EQ(plan.find("TEMP B-TREE"), std::string::npos) << plan;
    constexpr std::array kOfTwoInOne{"COMPOUND QUERY", "LEFT-MOST SUBQUERY", "UNION ALL"};
    const bool is_seek = plan.find("SEARCH") != std::string::npos;
    EXPECT_TRUE(is_seek || std::ranges::any_of(kOfTwoInOne,
                                               [&](const char* step) {
                                                 return plan.ends_with(std::string(": ") + step);
                                               }))
        << plan;
  }
}

TEST_F(PolicyTest, WhoeverAsksSeeksHisOwnRowsFirst) {
  // Also where statistics say that hardly any row is another's, so that a path would tell more.
  sql("INSERT INTO owners (path, principal) SELECT 'f' || value, 'user:a' FROM"
      " (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n LIMIT 500)"
      " SELECT value FROM n);"
      "INSERT INTO grants (path, principal) SELECT path, principal FROM owners; ANALYZE");
  reopen();
  auto plans = policy_->query_plans();
  ASSERT_TRUE(plans);
  int seen = 0;
  for (const std::string& plan : *plans) {
    const bool explains = plan.starts_with("SELECT principal FROM owners");
    const bool decides = plan.find("SEARCH owners") != std::string::npos ||
                         plan.find("SEARCH grants") != std::string::npos;
    if (explains || !decides) continue;
    ++seen;
    EXPECT_NE(plan.find("(principal=? AND path"), std::string::npos) << plan;
  }
  EXPECT_GE(seen, 4) << "a decision's two seeks, and two for what lies below";
}

TEST_F(PolicyTest, WhatIsNoTableIsNotBelieved) {
  for (const std::string table :
       {"owners", "grants", "members", "sessions", "links", "signing_keys", "changes", "meta"}) {
    sql("SAVEPOINT before");
    sql("ALTER TABLE " + table + " RENAME TO moved");
    sql("CREATE VIEW " + table + " AS SELECT * FROM moved");
    sql("RELEASE before");
    auto decision = policy_->decide(named("user:alice"), path("a"));
    ASSERT_FALSE(decision) << table;
    EXPECT_NE(decision.error().message.find(table + " is not the table"), std::string::npos)
        << decision.error().message;
    EXPECT_FALSE(policy_->losses()) << table;
    EXPECT_FALSE(Policy::open({.database = database_})) << table;
    auto admin = Admin::open(database_);
    ASSERT_FALSE(admin) << table;
    EXPECT_NE(admin.error().message.find(table + " is not the table"), std::string::npos);
    sql("DROP VIEW " + table + "; ALTER TABLE moved RENAME TO " + table);
    EXPECT_TRUE(policy_->decide(named("user:alice"), path("a"))) << table;
  }
}

TEST_F(PolicyTest, ATableWithOtherColumnsIsNotBelieved) {
  for (const char* columns :
       {"member TEXT, parent TEXT, expires INTEGER) ",
        "id INTEGER PRIMARY KEY, member TEXT, parent TEXT, expires INTEGER, kind TEXT AS (member)) "
        "STRICT",
        "id INTEGER PRIMARY KEY, member TEXT, parent TEXT, expires TEXT) STRICT",
        "id INTEGER PRIMARY KEY, member TEXT, parent TEXT, expires INTEGER AS (id)) STRICT"}) {
    sql(fmt::format("ALTER TABLE members RENAME TO moved; CREATE TABLE members ({}", columns));
    EXPECT_FALSE(policy_->decide(named("user:alice"), path("a"))) << columns;
    sql("DROP TABLE members; ALTER TABLE moved RENAME TO members");
    EXPECT_TRUE(policy_->decide(named("user:alice"), path("a"))) << columns;
  }
}

TEST_F(PolicyTest, AQuestionThatTakesTooLongIsAnErrorAndTheNextIsAnswered) {
  // Nothing that is believed can take for ever, but a table may be larger than anybody thought.
  sql("INSERT INTO members (member, parent)"
      " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)"
      " SELECT 'user:alice', 'group:' || i FROM n");
  auto policy = Policy::open({.database = database_, .time_limit = std::chrono::milliseconds{0}});
  if (policy) {
    EXPECT_FALSE((*policy)->decide(named("user:alice"), path("a")));
  }
  EXPECT_EQ(decide(named("user:bob"), "a"), Access::kNone);
}

TEST_F(PolicyTest, OneDecisionSeesOneCommit) {
  // The identity is read first, the rules later: a commit between the two must not be seen by
  // half. A group database that writes while it is asked stands for an unlucky moment.
  sql("INSERT INTO grants (principal, path) VALUES ('user:alice', 'a')");
  bool written = false;
  auto policy = Policy::open({.database = database_,
                              .clock = [this] { return now_; },
                              .groups = [&](uid_t) -> std::vector<gid_t> {
                                if (!std::exchange(written, true)) {
                                  sql("INSERT INTO grants (principal, path) VALUES ('uid:7', 'a')");
                                }
                                return {};
                              }});
  ASSERT_TRUE(policy);
  EXPECT_EQ((*policy)->decide(SystemUser{7}, path("a"))->access, Access::kNone);
  EXPECT_TRUE(written);
  EXPECT_EQ((*policy)->decide(SystemUser{7}, path("a"))->access, Access::kRead);
}

TEST_F(PolicyTest, AReplacedDatabaseAnswersAtOnce) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  const auto other = directory_.path() / "other.db";
  {
    auto connection = db::Connection::open(other, db::Mode::kCreate);
    ASSERT_TRUE(connection && migrate_schema(*connection, other, schema_migrations()));
  }
  writer_.reset();
  std::filesystem::remove(database_.string() + "-wal");
  std::filesystem::remove(database_.string() + "-shm");
  std::filesystem::rename(other, database_);
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kNone);
}

TEST_F(PolicyTest, TroubleIsAnErrorAndEndsWithIt) {
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  const auto failing = [&](const std::string& what) {
    auto access = policy_->decide(named("user:alice"), path("a"));
    EXPECT_FALSE(access) << what;
    if (!access) {
      EXPECT_EQ(access.error().kind, ErrorKind::kDatabase) << what;
    }
  };
  const auto whole = [&](const std::string& after) {
    EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead) << after;
  };
  whole("start");

  sql("UPDATE meta SET value = value + 1 WHERE key = 'schema'");
  failing("a newer schema");
  sql("UPDATE meta SET value = value - 1 WHERE key = 'schema'");
  whole("a newer schema");

  sql("PRAGMA application_id = 1");
  failing("a foreign database");
  sql("PRAGMA application_id = 1198671443");
  whole("a foreign database");

  ASSERT_EQ(::chmod(database_.c_str(), 0606), 0);
  failing("writable by anyone");
  ASSERT_EQ(::chmod(database_.c_str(), 0600), 0);
  whole("writable by anyone");

  const auto aside = directory_.path() / "aside";
  std::filesystem::rename(database_, aside);
  failing("gone");
  std::filesystem::rename(aside, database_);
  whole("gone");
}

TEST_F(PolicyTest, AnExplanationNamesRuleAndMembership) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('group:b', 'a', 2000000060),"
      " ('user:alice', 'a/x', 1999999999)");
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:bob')");
  sql("INSERT INTO members (member, parent) VALUES ('user:alice', 'group:a'), ('group:a', "
      "'group:b')");
  auto why = policy_->explain(named("user:alice"), path("a/x"));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->access, Access::kRead);
  ASSERT_TRUE(why->rule);
  EXPECT_EQ(why->rule->principal.text(), "group:b");
  EXPECT_EQ(why->rule->path.text(), "a");
  ASSERT_EQ(why->membership.size(), 3U);
  EXPECT_EQ(why->membership[0].text(), "user:alice");
  EXPECT_EQ(why->membership[2].text(), "group:b");
  ASSERT_EQ(why->expired.size(), 1U);
  EXPECT_EQ(why->expired[0].path.text(), "a/x");
  ASSERT_TRUE(why->owner);
  EXPECT_EQ(why->owner->principal.text(), "user:bob");
}

TEST_F(PolicyTest, AnExplanationShowsWhatAnExpiredMembershipWouldGive) {
  sql("INSERT INTO grants (principal, path) VALUES ('group:g', 'a')");
  sql("INSERT INTO members (member, parent, expires) VALUES ('user:alice', 'group:g', 1)");
  auto why = policy_->explain(named("user:alice"), path("a"));
  ASSERT_TRUE(why);
  EXPECT_EQ(why->access, Access::kNone);
  ASSERT_EQ(why->expired.size(), 1U);
  EXPECT_EQ(why->expired[0].principal.text(), "group:g");
}

/// A database in which bob owns 'a' and alice nothing, in WAL mode, as an administrator would bring
/// it: closed, so that no journal lies beside it.
void make_other_database(const std::filesystem::path& at) {
  auto connection = db::Connection::open(at, db::Mode::kCreate);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(connection->execute("PRAGMA journal_mode=WAL"));
  ASSERT_TRUE(migrate_schema(*connection, at, schema_migrations()));
  ASSERT_TRUE(connection->execute("INSERT INTO owners (path, principal) VALUES ('a', 'user:bob')"));
}

ino_t inode_of(const std::filesystem::path& path) {
  struct stat status = {};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_ino;
}

TEST_F(PolicyTest, ADatabaseReplacedBesideAJournalThatWasEmptyAtTheLastDecisionDenies) {
  const std::filesystem::path wal = database_.string() + "-wal";
  sql("PRAGMA wal_checkpoint(TRUNCATE)");
  ASSERT_EQ(std::filesystem::file_size(wal), 0U);
  ASSERT_EQ(decide(named("user:alice"), "a"), Access::kNone);
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  ASSERT_GT(std::filesystem::file_size(wal), 0U);

  make_other_database(directory_.path() / "other.db");
  std::filesystem::rename(directory_.path() / "other.db", database_);
  for (int i = 0; i < 3; ++i) {
    auto answer = policy_->decide(named("user:alice"), path("a"));
    ASSERT_FALSE(answer) << "the old one's journal was replayed into the new one";
    EXPECT_NE(answer.error().message.find("remove"), std::string::npos) << answer.error().message;
  }
}

TEST_F(PolicyTest, AJournalThatTheFirstDecisionMadeItselfIsKnownForTheOldOnes) {
  policy_.reset();
  writer_.reset();
  ASSERT_FALSE(std::filesystem::exists(database_.string() + "-wal"));
  reopen();
  writer_ = std::make_unique<db::Connection>(
      std::move(*db::Connection::open(database_, db::Mode::kWrite)));
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  make_other_database(directory_.path() / "other.db");
  std::filesystem::rename(directory_.path() / "other.db", database_);
  EXPECT_FALSE(policy_->decide(named("user:alice"), path("a")));
}

/// Makes files until the next one would get a number above `inode`, as ext4 gives the lowest free.
void occupy_inodes_below(const std::filesystem::path& folder, ino_t inode) {
  constexpr int kMostFiles = 2000;
  for (int i = 0; i < kMostFiles; ++i) {
    const auto file = folder / ("filler-" + std::to_string(i));
    std::ofstream{file};
    if (inode_of(file) > inode) return;
  }
}

TEST_F(PolicyTest, ANewJournalThatHasTheOldOnesInodeNumberIsKnownForNew) {
  const std::filesystem::path wal = database_.string() + "-wal";
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  ASSERT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  make_other_database(directory_.path() / "other.db");
  std::filesystem::rename(directory_.path() / "other.db", database_);
  ASSERT_FALSE(policy_->decide(named("user:alice"), path("a")));

  // With its last user gone, the old journal's inode is free once the name is.
  const ino_t old_inode = inode_of(wal);
  writer_.reset();
  std::filesystem::remove(database_.string() + "-shm");
  occupy_inodes_below(directory_.path(), old_inode);
  std::filesystem::remove(wal);
  writer_ = std::make_unique<db::Connection>(
      std::move(*db::Connection::open(database_, db::Mode::kWrite)));
  sql("INSERT INTO owners (path, principal) VALUES ('b', 'user:bob')");
  ASSERT_GT(std::filesystem::file_size(wal), 0U);
  // As a rule on ext4, not on every file system: then the rest holds all the more.
  RecordProperty("inode_number_used_again", inode_of(wal) == old_inode ? "yes" : "no");
  EXPECT_EQ(decide(named("user:alice"), "a"), Access::kNone);
  EXPECT_EQ(decide(named("user:bob"), "b"), Access::kRead);
}

TEST_F(PolicyTest, ADirectoryOpenedToOthersMeanwhileDeniesUntilItIsClosedAgain) {
  namespace fs = std::filesystem;
  sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:alice')");
  ASSERT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  for (const fs::perms opened : {fs::perms::others_all, fs::perms::others_exec}) {
    fs::permissions(directory_.path(), opened, fs::perm_options::add);
    auto answer = policy_->decide(named("user:alice"), path("a"));
    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().message.find("chmod o= " + directory_.path().string()),
              std::string::npos)
        << answer.error().message;
    EXPECT_FALSE(policy_->list(named("user:alice"), path("a")));
    fs::permissions(directory_.path(), opened, fs::perm_options::remove);
    EXPECT_EQ(decide(named("user:alice"), "a"), Access::kRead);
  }
}

}  // namespace
}  // namespace grantfs
