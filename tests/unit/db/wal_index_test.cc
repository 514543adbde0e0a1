#include <gtest/gtest.h>

#include <filesystem>

#include "db/connection.h"
#include "support/temporary_directory.h"

namespace grantfs::db {
namespace {

class NewestCommit : public testing::Test {
 protected:
  Connection create(const char* journal_mode) {
    auto connection = Connection::open(path_, Mode::kCreate).value();
    EXPECT_TRUE(connection.query_integer("SELECT 1"));
    run(connection, "CREATE TABLE t (x)");
    EXPECT_TRUE(connection.execute((std::string("PRAGMA journal_mode=") + journal_mode).c_str()));
    run(connection, "INSERT INTO t VALUES (1)");
    return connection;
  }
  static void run(Connection& connection, const char* sql) {
    const auto done = connection.execute(sql);
    EXPECT_TRUE(done) << (done ? "" : done.error().message);
  }
  Connection reader() {
    auto connection = Connection::open(path_, Mode::kRead).value();
    EXPECT_EQ(connection.query_integer("SELECT count(*) FROM t").value(), 1);
    return connection;
  }

  const TemporaryDirectory directory_;
  const std::string path_ = directory_.path() / "database";
};

TEST_F(NewestCommit, IsTheSameUntilSomebodyCommits) {
  Connection writer = create("wal");
  Connection reading = reader();
  const auto before = reading.newest_commit();
  ASSERT_TRUE(before);
  EXPECT_EQ(reading.query_integer("SELECT count(*) FROM t").value(), 1);
  EXPECT_EQ(reading.newest_commit(), before);

  run(writer, "BEGIN IMMEDIATE; INSERT INTO t VALUES (2)");
  EXPECT_EQ(reading.newest_commit(), before);
  run(writer, "ROLLBACK");
  EXPECT_EQ(reading.newest_commit(), before);

  for (const char* change : {"INSERT INTO t VALUES (2)", "UPDATE t SET x = 3", "DELETE FROM t"}) {
    const auto last = reading.newest_commit();
    run(writer, change);
    EXPECT_NE(reading.newest_commit(), last) << change;
  }
}

TEST_F(NewestCommit, ChangesAcrossACheckpointThatBeginsTheJournalAnew) {
  Connection writer = create("wal");
  Connection reading = reader();
  const auto before = reading.newest_commit();
  run(writer, "PRAGMA wal_checkpoint(TRUNCATE)");
  run(writer, "INSERT INTO t VALUES (1)");
  EXPECT_NE(reading.newest_commit(), before);
}

TEST_F(NewestCommit, CannotBeToldWithoutAWal) {
  Connection writer = create("delete");
  Connection reading = reader();
  EXPECT_FALSE(reading.newest_commit());
  EXPECT_FALSE(std::filesystem::exists(path_ + "-shm"));
}

}  // namespace
}  // namespace grantfs::db
