#include "policy/decisions/file_history.h"

#include <gtest/gtest.h>

namespace grantfs {
namespace {

DatabaseFiles::File with_inode(std::uint64_t inode) {
  return {.inode = inode};
}

/// A database whose journal has something in it.
DatabaseFiles files(std::uint64_t database, std::uint64_t wal, std::uint64_t shm) {
  return {.database = with_inode(database),
          .wal = with_inode(wal),
          .wal_empty = false,
          .shm = with_inode(shm)};
}

struct FakeConnection {
  DatabaseFiles::File file() const { return of; }
  DatabaseFiles::File of;
};

class FileHistoryTest : public testing::Test {
 protected:
  using Look = FileHistory::Look;
  FileHistory history_{"/p/policy.db", "/a/app.db"};
};

TEST_F(FileHistoryTest, TheFirstFilesAreNoReplacement) {
  const Look look{files(1, 2, 3), {}};
  EXPECT_FALSE(history_.is_replaced(look));
  EXPECT_TRUE(history_.follow(look));
  EXPECT_FALSE(history_.is_torn());
  EXPECT_TRUE(history_.is_current(FakeConnection{with_inode(1)}));
}

TEST_F(FileHistoryTest, AReplacedDatabaseIsNotTorn) {
  EXPECT_TRUE(history_.follow({files(1, 2, 3), {}}));
  const Look other{files(11, 12, 13), {}};
  EXPECT_TRUE(history_.is_replaced(other));
  EXPECT_TRUE(history_.follow(other));
  EXPECT_FALSE(history_.is_torn());
  EXPECT_FALSE(history_.is_current(FakeConnection{with_inode(1)}));
}

TEST_F(FileHistoryTest, ADatabaseWithTheJournalOfTheOldOneIsRefused) {
  EXPECT_TRUE(history_.follow({files(1, 2, 3), {}}));
  auto refused = history_.follow({files(11, 2, 3), {}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/p/policy.db-wal is still the old one's"),
            std::string::npos);
  DatabaseFiles emptied = files(11, 2, 3);
  emptied.wal_empty = true;
  EXPECT_TRUE(history_.follow({emptied, {}}));
}

TEST_F(FileHistoryTest, AnotherJournalOfTheSameDatabaseIsTornUntilMended) {
  EXPECT_TRUE(history_.follow({files(1, 2, 3), {}}));
  EXPECT_TRUE(history_.follow({files(1, 12, 3), {}}));
  EXPECT_TRUE(history_.is_torn());
  EXPECT_NE(history_.torn().message.find("/p/policy.db-shm"), std::string::npos);
  EXPECT_TRUE(history_.follow({files(1, 12, 3), {}}));
  EXPECT_TRUE(history_.is_torn());
  history_.mend();
  EXPECT_FALSE(history_.is_torn());
}

TEST_F(FileHistoryTest, AJournalThatAppearsIsTheDatabasesOwn) {
  DatabaseFiles bare{.database = with_inode(1)};
  EXPECT_TRUE(history_.follow({bare, {}}));
  EXPECT_TRUE(history_.follow({files(1, 2, 3), {}}));
  EXPECT_FALSE(history_.is_torn());
}

TEST_F(FileHistoryTest, AJournalMadeInOpeningIsKnownForTheOldOnesAfterAReplacement) {
  const Look opened{DatabaseFiles{.database = with_inode(1)}, {}};
  EXPECT_TRUE(history_.follow(opened));
  history_.note_database(opened, files(1, 2, 3));
  EXPECT_FALSE(history_.follow({files(11, 2, 3), {}}));
}

TEST_F(FileHistoryTest, ANoteOfADatabaseThatIsReplacedChangesNothing) {
  const Look opened{DatabaseFiles{.database = with_inode(1)}, {}};
  EXPECT_TRUE(history_.follow(opened));
  EXPECT_TRUE(history_.follow({files(11, 12, 13), {}}));
  history_.note_database(opened, files(1, 2, 3));
  EXPECT_TRUE(history_.is_current(FakeConnection{with_inode(11)}));
}

TEST_F(FileHistoryTest, AnotherSourceIsTorn) {
  EXPECT_TRUE(history_.follow({files(1, 2, 3), DatabaseFiles{.database = with_inode(21)}}));
  const Look other{files(1, 2, 3), DatabaseFiles{.database = with_inode(31)}};
  EXPECT_FALSE(history_.is_replaced(other));
  EXPECT_TRUE(history_.follow(other));
  EXPECT_TRUE(history_.is_torn());
}

TEST_F(FileHistoryTest, ASourceWithTheJournalOfTheOldOneIsRefused) {
  EXPECT_TRUE(history_.follow({files(1, 2, 3), files(21, 22, 23)}));
  auto refused = history_.follow({files(1, 2, 3), files(31, 22, 23)});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/a/app.db was replaced"), std::string::npos);
}

}  // namespace
}  // namespace grantfs
