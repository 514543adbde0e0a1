// Policy::losses(): the recall feed as it is read, and what it must not account for.

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "db/connection.h"
#include "db/rows.h"
#include "db/shm_guard.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

class FeedTest : public PolicyTest {
 protected:
  FeedTest() {
    sql("INSERT INTO owners (path, principal) VALUES ('a', 'user:a'), ('b/c', 'user:b');"
        "INSERT INTO grants (principal, path) VALUES ('user:a', 'g'), ('public', '.');"
        "INSERT INTO members (member, parent) VALUES ('user:a', 'group:g'), ('public', 'group:h');"
        "INSERT INTO sessions (id, principal) VALUES ('" +
        kSession.hex() + "', 'user:a')");
    EXPECT_EQ(losses(), "unexplained");
    EXPECT_EQ(losses(), "");
  }

  /// Everything that losses() gave, in words.
  std::string losses() {
    auto lost = policy_->losses();
    if (!lost) return "error";
    std::string words;
    const auto add = [&](const std::string& word) {
      words += fmt::format("{}{}", words.empty() ? "" : " ", word);
    };
    for (const StorePath& path : lost->paths) add("/" + path.text());
    for (const Principal& member : lost->members) add(member.text());
    for (const TokenHash& token : lost->tokens) add(token == kSession ? "session" : "?");
    if (lost->unexplained) add("unexplained");
    EXPECT_EQ(words.empty(), lost->empty());
    return words;
  }

  void shell(const std::string& command) {
    EXPECT_EQ(std::system(command.c_str()), 0)
        << command;  // NOLINT: no other thread has an environ
  }

  void open_writer() {
    writer_ = std::make_unique<db::Connection>(
        std::move(*db::Connection::open(database_, db::Mode::kWrite)));
  }

  const TokenHash kSession = TokenHash::of("0123456789abcdef");
};

TEST_F(FeedTest, EachLossIsNamedOnce) {
  sql("DELETE FROM owners WHERE path = 'a'");
  EXPECT_EQ(losses(), "/a");
  EXPECT_EQ(losses(), "");
  sql("DELETE FROM grants WHERE path = '.'");
  EXPECT_EQ(losses(), "/");
  sql("DELETE FROM members WHERE member = 'public'");
  EXPECT_EQ(losses(), "public");
  sql("DELETE FROM sessions");
  EXPECT_EQ(losses(), "session");
  EXPECT_EQ(losses(), "");
}

TEST_F(FeedTest, SeveralCommitsAreToldTogetherSortedAndEachOnce) {
  sql("UPDATE owners SET principal = 'user:x' WHERE path = 'b/c'");
  sql("UPDATE owners SET principal = 'user:y' WHERE path = 'b/c'");
  sql("BEGIN; DELETE FROM owners; DELETE FROM members; DELETE FROM sessions; COMMIT");
  EXPECT_EQ(losses(), "/a /b/c public user:a session");
}

TEST_F(FeedTest, GrantingAndExtendingLoseNothing) {
  sql("INSERT INTO grants (principal, path, expires) VALUES ('user:x', 'n', 5)");
  EXPECT_EQ(losses(), "");
  sql("INSERT INTO grants (principal, path, expires) VALUES ('user:x', 'n', 6)"
      " ON CONFLICT DO UPDATE SET expires = excluded.expires");
  EXPECT_EQ(losses(), "");
  sql("DELETE FROM grants WHERE path = 'n'");
  EXPECT_EQ(losses(), "/n");
}

TEST_F(FeedTest, AStatementThatIsIgnoredIsExplainedAllTheSame) {
  sql("INSERT OR IGNORE INTO owners (path, principal) VALUES ('a', 'user:x')");
  EXPECT_EQ(losses(), "/a");
  sql("UPDATE OR IGNORE owners SET path = 'b/c' WHERE path = 'a'");
  EXPECT_EQ(losses(), "/b/c");
  sql("DELETE FROM owners WHERE path = 'nothing'");
  EXPECT_EQ(losses(), "");
}

TEST_F(FeedTest, WhatIsRolledBackIsNoLoss) {
  sql("BEGIN; DELETE FROM owners");
  EXPECT_EQ(losses(), "");
  sql("ROLLBACK");
  EXPECT_EQ(losses(), "");
  sql("DELETE FROM owners");
  EXPECT_EQ(losses(), "/a /b/c");
}

TEST_F(FeedTest, OtherProgramsCommitsAreTold) {
  shell("sqlite3 " + database_.string() + " \"DELETE FROM owners WHERE path = 'a'\"");
  EXPECT_EQ(losses(), "/a");
  shell("sqlite3 " + database_.string() +
        " 'PRAGMA trusted_schema = OFF; PRAGMA recursive_triggers = ON;"
        " REPLACE INTO owners (path, principal) VALUES (\"b/c\", \"user:x\")'");
  EXPECT_EQ(losses(), "/b/c");
  shell("python3 -c 'import sqlite3; db = sqlite3.connect(\"" + database_.string() +
        "\"); db.execute(\"DELETE FROM grants WHERE path = ?\", (\"g\",)); db.commit()'");
  EXPECT_EQ(losses(), "/g");
}

TEST_F(FeedTest, NamesThatAreNoTextAreTold) {
  sql("INSERT INTO owners (path, principal) VALUES (CAST(x'ff27fe' AS TEXT), 'user:a')");
  sql("DELETE FROM owners WHERE path > 'b/c'");
  EXPECT_EQ(losses(), "/\xff'\xfe");
}

TEST_F(FeedTest, MoreThanAThousandLossesAtOnceAreNotToldApart) {
  const auto grant_and_revoke = [&](int rows) {
    sql(
        fmt::format("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})"
                    " INSERT INTO grants (principal, path) SELECT 'user:x', 'f' || i FROM n;"
                    "DELETE FROM grants WHERE principal = 'user:x'",
                    rows));
  };
  grant_and_revoke(1000);
  EXPECT_EQ(policy_->losses()->paths.size(), 1000U);
  grant_and_revoke(1001);
  EXPECT_EQ(losses(), "unexplained");
  EXPECT_EQ(losses(), "");
  grant_and_revoke(10001);  // pruned before it was read
  EXPECT_EQ(losses(), "unexplained");
  sql("DELETE FROM owners");
  EXPECT_EQ(losses(), "/a /b/c");
}

// --- commits that the feed does not account for -------------------------------------------------

TEST_F(FeedTest, ACommitWithoutItsRevisionIsUnexplained) {
  sql("BEGIN; DELETE FROM owners; DELETE FROM changes;"
      "UPDATE meta SET value = value - 2 WHERE key = 'revision'; COMMIT");
  EXPECT_EQ(losses(), "unexplained");
  sql("UPDATE meta SET value = value - 1 WHERE key = 'revision'");
  EXPECT_EQ(losses(), "unexplained");
  sql("INSERT INTO owners (path, principal) VALUES ('n', 'user:a')");
  EXPECT_EQ(losses(), "");
}

TEST_F(FeedTest, ARevisionThatIsNoneIsUnexplainedUntilItIsBack) {
  for (const char* spoil : {"UPDATE meta SET value = 'x' WHERE key = 'revision'",
                            "UPDATE meta SET value = 9.5 WHERE key = 'revision'",
                            "DELETE FROM meta WHERE key = 'revision'"}) {
    sql(spoil);
    EXPECT_EQ(losses(), "unexplained") << spoil;
    sql("REPLACE INTO owners (path, principal) VALUES ('n', 'user:a')");
    EXPECT_EQ(losses(), "unexplained") << spoil;
    sql("REPLACE INTO meta VALUES ('revision', 1)");
    EXPECT_EQ(losses(), "unexplained") << spoil;
    sql("REPLACE INTO owners (path, principal) VALUES ('n', 'user:a')");
    EXPECT_EQ(losses(), "") << spoil;
  }
}

TEST_F(FeedTest, RowsDeletedUnreadAreUnexplained) {
  sql("DELETE FROM owners; DELETE FROM changes WHERE path = 'a'");
  EXPECT_EQ(losses(), "unexplained");
  sql("DELETE FROM grants; DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)");
  EXPECT_EQ(losses(), "unexplained");
  sql("DELETE FROM members; DELETE FROM changes");
  EXPECT_EQ(losses(), "unexplained");
  sql("INSERT INTO owners (path, principal) VALUES ('n', 'user:a')");
  EXPECT_EQ(losses(), "");
  sql("DELETE FROM owners");
  EXPECT_EQ(losses(), "/n");
}

TEST_F(FeedTest, ASequenceThatWentBackIsUnexplained) {
  sql("DELETE FROM owners WHERE path = 'a'");
  EXPECT_EQ(losses(), "/a");
  sql("DELETE FROM changes; DELETE FROM sqlite_sequence; DELETE FROM owners");
  EXPECT_EQ(losses(), "unexplained");  // the same `seq`, another row
  sql("UPDATE sqlite_sequence SET seq = -9; INSERT INTO owners (path, principal) VALUES ('n', "
      "'uid:1')");
  EXPECT_EQ(losses(), "unexplained");
}

TEST_F(FeedTest, RowsThatCannotBeUnderstoodAreUnexplained) {
  for (const char* row :
       {"(path) VALUES ('../x')", "(path) VALUES ('')", "(principal) VALUES ('nobody')",
        "(token) VALUES ('abc')", "(seq, path) VALUES (1000, 'a')"}) {
    sql(fmt::format("INSERT INTO changes {}", row));
    EXPECT_EQ(losses(), "unexplained") << row;
    EXPECT_EQ(losses(), "") << row;
  }
}

TEST_F(FeedTest, ARowWrittenByHandIsARecall) {
  sql("INSERT INTO changes (path) VALUES ('x')");
  EXPECT_EQ(losses(), "/x");
}

TEST_F(FeedTest, WithoutATriggerEveryCommitIsUnexplained) {
  std::vector<std::string> names;
  {
    auto statement = writer_->prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'");
    ASSERT_TRUE(statement);
    db::Rows rows = statement->run();
    while (*rows.next()) names.emplace_back(rows.text(0));
  }
  ASSERT_EQ(names.size(), 28U);
  int n = 0;
  for (const std::string& name : names) {
    auto statement =
        writer_->prepare(fmt::format("SELECT sql FROM sqlite_schema WHERE name = '{}'", name));
    ASSERT_TRUE(statement);
    std::string create;
    {
      db::Rows rows = statement->run();
      ASSERT_TRUE(*rows.next());
      create = rows.text(0);
    }
    sql("DROP TRIGGER " + name);
    EXPECT_EQ(losses(), "unexplained") << name;
    EXPECT_EQ(losses(), "") << name;
    const auto grant =
        fmt::format("INSERT INTO owners (path, principal) VALUES ('{}', 'uid:1')", ++n);
    sql(grant);
    EXPECT_EQ(losses(), "unexplained") << name;
    sql(create);
    EXPECT_EQ(losses(), "unexplained") << name;
    sql(fmt::format("DELETE FROM owners WHERE path = '{}'", n));
    EXPECT_EQ(losses(), fmt::format("/{}", n)) << name;
  }
}

TEST_F(FeedTest, ATriggerGoneForAWhileIsUnexplainedOnceAgainInPlace) {
  sql("BEGIN; DROP TRIGGER feed_owners_delete; DELETE FROM owners WHERE path = 'a'; COMMIT");
  sql("CREATE TRIGGER feed_owners_delete AFTER DELETE ON owners BEGIN"
      " SELECT 1; END");
  EXPECT_EQ(losses(), "unexplained");
  sql("INSERT INTO grants (principal, path) VALUES ('user:x', 'x')");
  EXPECT_EQ(losses(), "unexplained");  // a trigger of that name, and another meaning
}

TEST_F(FeedTest, AForeignTriggerOnThePolicysTablesIsNotTrusted) {
  // It would keep the feed's own from running: RAISE(IGNORE) ends the whole statement.
  sql("CREATE TRIGGER aaa BEFORE INSERT ON CHANGES BEGIN SELECT RAISE(IGNORE); END");
  EXPECT_EQ(losses(), "unexplained");
  sql("DELETE FROM owners");
  EXPECT_EQ(losses(), "unexplained");
  sql("DROP TRIGGER aaa");
  EXPECT_EQ(losses(), "unexplained");
  sql("DELETE FROM grants");
  EXPECT_EQ(losses(), "/ /g");
}

TEST_F(FeedTest, AnApplicationsOwnTablesAndTriggersAreItsOwn) {
  sql("CREATE TABLE uploads (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT, user TEXT);"
      "CREATE TRIGGER uploads_gone AFTER DELETE ON uploads BEGIN"
      " DELETE FROM owners WHERE path = OLD.path; END;"
      "INSERT INTO uploads (path, user) VALUES ('a', 'a')");
  EXPECT_EQ(losses(), "unexplained");
  sql("DELETE FROM uploads");
  EXPECT_EQ(losses(), "/a");
}

TEST_F(FeedTest, AWriterWhoseTriggersAreOffIsUnexplained) {
  shell("sqlite3 -cmd '.dbconfig enable_trigger off' " + database_.string() +
        " 'DELETE FROM owners' >/dev/null");
  EXPECT_EQ(losses(), "unexplained");
}

TEST_F(FeedTest, CommitsThatChangeNothingOfThePolicyAreUnexplainedOnce) {
  for (const char* statement : {"VACUUM", "ANALYZE"}) {
    sql(statement);
    EXPECT_EQ(losses(), "unexplained") << statement;
    EXPECT_EQ(losses(), "") << statement;
    sql("INSERT INTO changes (path) VALUES ('x')");
    EXPECT_EQ(losses(), "/x") << statement;
  }
}

TEST_F(FeedTest, ACheckpointIsNoCommit) {
  for (const char* kind : {"PASSIVE", "FULL", "RESTART", "TRUNCATE"}) {
    sql("INSERT INTO changes (path) VALUES ('x')");
    EXPECT_EQ(losses(), "/x");
    sql(std::string("PRAGMA wal_checkpoint(") + kind + ")");
    auto lost = policy_->losses();
    ASSERT_TRUE(lost);
    EXPECT_TRUE(lost->empty() && !lost->committed) << kind;
  }
}

TEST_F(FeedTest, AJournalThatIsBegunAnewIsNoCommitBeforeTheWriterCommits) {
  sql("CREATE TABLE mine (bytes)");
  EXPECT_EQ(losses(), "unexplained");
  sql("PRAGMA wal_checkpoint(PASSIVE)");  // all of it: the next writer begins the journal anew
  sql("PRAGMA cache_size = 1");           // and writes to it before he commits
  sql("BEGIN; DELETE FROM owners WHERE path = 'a';"
      "INSERT INTO mine SELECT randomblob(100000) FROM owners, grants, members");
  EXPECT_EQ(std::filesystem::file_size(database_.string() + "-wal") > 100'000, true);
  auto lost = policy_->losses();
  ASSERT_TRUE(lost);
  EXPECT_TRUE(lost->empty() && !lost->committed);
  sql("COMMIT");
  EXPECT_EQ(losses(), "/a");
}

TEST_F(FeedTest, SaysWhyItDoesNotExplain) {
  const auto why = [this](const std::string& statement) {
    sql(statement);
    auto lost = policy_->losses();
    EXPECT_TRUE(lost && lost->unexplained && lost->committed) << statement;
    return lost->why;
  };
  EXPECT_EQ(why("CREATE TABLE mine (x)"), Unexplained::kSchema);
  EXPECT_EQ(why("INSERT INTO mine VALUES (1)"), Unexplained::kForeignCommit);
  EXPECT_EQ(why("UPDATE meta SET value = value - 1 WHERE key = 'revision'"),
            Unexplained::kPositionLost);
  EXPECT_EQ(why("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)"
                " INSERT INTO changes (path) SELECT 'x' || i FROM n;"
                "UPDATE meta SET value = value + 1 WHERE key = 'revision'"),
            Unexplained::kTooMany);
}

TEST_F(FeedTest, ACommitThatLosesNothingIsACommit) {
  sql("INSERT INTO grants (principal, path) VALUES ('user:z', 'z')");
  auto lost = policy_->losses();
  ASSERT_TRUE(lost);
  EXPECT_TRUE(lost->empty() && lost->committed);
  lost = policy_->losses();
  EXPECT_TRUE(lost && !lost->committed);
}

// --- another file, another journal, trouble -----------------------------------------------------

TEST_F(FeedTest, AnotherFileInItsPlaceIsUnexplained) {
  const auto copy = directory_.path() / "copy.db";
  sql("VACUUM INTO '" + copy.string() + "'");
  EXPECT_EQ(losses(), "");
  {
    auto other = db::Connection::open(copy, db::Mode::kWrite);
    ASSERT_TRUE(other && other->execute("PRAGMA journal_mode = WAL"));
  }
  writer_.reset();
  policy_->losses().ok();
  shell("rm -f " + database_.string() + "-wal " + database_.string() + "-shm");
  std::filesystem::rename(copy, database_);
  EXPECT_EQ(losses(), "unexplained");
  EXPECT_EQ(losses(), "");
  open_writer();
  sql("DELETE FROM owners");
  EXPECT_EQ(losses(), "/a /b/c");
}

TEST_F(FeedTest, AFileThatWasAwayAndIsBackIsUnexplained) {
  const auto aside = directory_.path() / "aside.db";
  std::filesystem::rename(database_, aside);
  EXPECT_FALSE(policy_->decide(Anyone{}, StorePath()));  // this alone makes it forget
  std::filesystem::rename(aside, database_);
  EXPECT_EQ(losses(), "unexplained");
  EXPECT_EQ(losses(), "");
}

TEST_F(FeedTest, AnotherFileThatOnlyADecisionSawIsUnexplained) {
  const auto copy = directory_.path() / "copy.db";
  const auto aside = directory_.path() / "aside.db";
  sql("VACUUM INTO '" + copy.string() + "'");
  EXPECT_EQ(losses(), "");
  // Its journal goes with the first one, as it must.
  const auto move = [](const std::filesystem::path& from, const std::filesystem::path& to) {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::error_code none;
      std::filesystem::rename(from.string() + suffix, to.string() + suffix, none);
    }
  };
  move(database_, aside);
  move(copy, database_);
  EXPECT_EQ(decide(named("user:a"), "a"), Access::kRead);
  move(database_, copy);
  move(aside, database_);
  EXPECT_EQ(losses(), "unexplained");
}

TEST_F(FeedTest, AnOlderCopyWrittenOverTheFileIsUnexplained) {
  const auto backup = directory_.path() / "backup.db";
  sql("VACUUM INTO '" + backup.string() + "'");
  sql("INSERT INTO owners (path, principal) VALUES ('n', 'user:a')");
  sql("DELETE FROM owners WHERE path = 'a'");
  EXPECT_EQ(losses(), "/a");
  shell("sqlite3 " + database_.string() + " '.restore " + backup.string() + "'");
  EXPECT_EQ(losses(), "unexplained");
}

TEST_F(FeedTest, TroubleIsAnErrorAndUnexplainedWhenItEnds) {
  sql("UPDATE meta SET value = value + 1 WHERE key = 'schema'");
  EXPECT_EQ(losses(), "error");
  EXPECT_EQ(losses(), "error");
  sql("DELETE FROM owners WHERE path = 'a'; UPDATE meta SET value = value - 1 WHERE key = "
      "'schema'");
  EXPECT_EQ(losses(), "unexplained");
  EXPECT_EQ(losses(), "");

  ASSERT_EQ(::chmod(database_.c_str(), 0606), 0);
  EXPECT_EQ(losses(), "error");
  ASSERT_EQ(::chmod(database_.c_str(), 0600), 0);
  EXPECT_EQ(losses(), "unexplained");

  sql("ALTER TABLE changes RENAME TO away");
  EXPECT_EQ(losses(), "error");
  sql("ALTER TABLE away RENAME TO changes");
  EXPECT_EQ(losses(), "unexplained");
}

TEST_F(FeedTest, ATruncatedShmFileIsAnErrorAndThenUnexplained) {
  db::install_shm_guard();
  writer_.reset();  // a writer in this process would share, and keep, the torn mapping
  ASSERT_EQ(::truncate((database_.string() + "-shm").c_str(), 0), 0);
  EXPECT_EQ(losses(), "error");
  EXPECT_EQ(losses(), "unexplained");
  open_writer();
  sql("DELETE FROM owners");
  EXPECT_EQ(losses(), "/a /b/c");
}

TEST_F(FeedTest, ConcurrentCallsTellEachLossOnce) {
  constexpr int kRounds = 200;
  std::atomic<int> told = 0;
  std::atomic<bool> done = false;
  std::atomic<bool> strange = false;
  std::vector<std::thread> askers;
  for (int i = 0; i < 3; ++i) {
    askers.emplace_back([&] {
      for (bool last = false; !last;) {
        last = done;
        auto lost = policy_->losses();
        if (!lost || lost->unexplained) strange = true;
        if (lost) told += static_cast<int>(lost->paths.size());
      }
    });
  }
  for (int i = 0; i < kRounds; ++i) sql(fmt::format("INSERT INTO changes (path) VALUES ('{}')", i));
  done = true;
  for (std::thread& asker : askers) asker.join();
  EXPECT_FALSE(strange);
  EXPECT_EQ(told, kRounds);
}

}  // namespace
}  // namespace grantfs
