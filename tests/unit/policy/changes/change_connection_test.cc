#include "policy/changes/change_connection.h"

#include "policy/changes/sqlite_engine.h"
#include "policy/changes/token_rows.h"
#include "support/policy_fixture.h"

namespace grantfs {
namespace {

class ChangeConnectionTest : public PolicyTest {
 protected:
  ChangeConnectionTest() {
    auto connection = db::Connection::open(database_, db::Mode::kWrite);
    EXPECT_TRUE(connection);
    changes_.emplace(std::make_unique<SqliteEngine>(database_, std::move(*connection)),
                     [this] { return now_; });
  }

  Result<void> insert_owner(const char* path) {
    auto added =
        changes_->change("INSERT INTO owners (path, principal) VALUES (?1, 'user:a')", path);
    if (!added) return added.error();
    return {};
  }
  std::int64_t count(const std::string& table) {
    return writer_->query_integer("SELECT count(*) FROM " + table).value();
  }
  void add_session(const std::string& begin) {
    sql("INSERT INTO sessions (id, principal) VALUES ('" + begin +
        std::string(64 - begin.size(), '0') + "', 'user:a')");
  }

  std::optional<ChangeConnection> changes_;
};

TEST_F(ChangeConnectionTest, AChangeIsCommittedAsAWholeOrNotAtAll) {
  EXPECT_TRUE(changes_->write([&] { return insert_owner("a"); }));
  EXPECT_EQ(count("owners"), 1);
  auto failed = changes_->write([&]() -> Result<void> {
    EXPECT_TRUE(insert_owner("b"));
    return Error{ErrorKind::kConflict, "no"};
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, "no");
  EXPECT_EQ(count("owners"), 1);
}

TEST_F(ChangeConnectionTest, AnErrorOfTheDatabaseNamesIt) {
  auto failed = changes_->read([]() -> Result<void> {
    return Error{ErrorKind::kDatabase, "a row is odd"};
  });
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().message, database_.string() + ": a row is odd");
}

TEST_F(ChangeConnectionTest, ATokensRowIsRemovedByTheBeginningOfItsId) {
  add_session("abcdef01");
  add_session("abcdef02");
  EXPECT_EQ(remove_by_id(*changes_, "sessions", "session", "abcdef03").value(), 0);
  EXPECT_EQ(remove_by_id(*changes_, "sessions", "session", "abcdef01").value(), 1);
  EXPECT_EQ(count("sessions"), 1);
}

TEST_F(ChangeConnectionTest, ABeginningThatSeveralIdsHaveRemovesNone) {
  add_session("abcdef0101");
  add_session("abcdef0102");
  EXPECT_EQ(remove_by_id(*changes_, "sessions", "session", "abcdef01").error().kind,
            ErrorKind::kConflict);
  EXPECT_EQ(count("sessions"), 2);
}

TEST_F(ChangeConnectionTest, WhatIsNoBeginningOfAnIdIsNotRepeated) {
  for (const char* text : {"abcdef0", "ABCDEF01", "a-token-by-mistake"}) {
    auto refused = remove_by_id(*changes_, "sessions", "session", text);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
    EXPECT_EQ(refused.error().message.find(text), std::string::npos);
  }
}

}  // namespace
}  // namespace grantfs
