#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "db/connection.h"
#include "grantfs/policy.h"
#include "policy/schema/schema.h"
#include "support/temporary_directory.h"

namespace grantfs {

/// A policy database in a directory of its own, written with plain SQL as an application does,
/// and the Policy that reads it, with a clock and a group database that the test sets.
class PolicyTest : public testing::Test {
 protected:
  PolicyTest() {
    auto connection = db::Connection::open(database_, db::Mode::kCreate);
    EXPECT_TRUE(connection);
    EXPECT_TRUE(connection->execute("PRAGMA journal_mode=WAL"));
    EXPECT_TRUE(migrate_schema(*connection, database_, schema_migrations()));
    writer_ = std::make_unique<db::Connection>(std::move(*connection));
    reopen();
  }

  void reopen() {
    auto policy = Policy::open({.database = database_,
                                .clock = [this] { return now_; },
                                .groups = [this](uid_t) { return groups_; }});
    ASSERT_TRUE(policy) << policy.error().message;
    policy_ = std::move(*policy);
  }

  void sql(const std::string& statement) {
    auto done = writer_->execute(statement.c_str());
    ASSERT_TRUE(done) << statement << ": " << done.error().message;
  }

  static Principal principal(const std::string& text) { return Principal::parse(text).value(); }
  static StorePath path(const std::string& text) {
    return StorePath::parse(StorePath::spelling_of(text)).value();
  }
  static Identity named(const std::string& text) { return Named{principal(text)}; }

  Access decide(const Identity& identity, const std::string& at) {
    auto decision = policy_->decide(identity, path(at));
    EXPECT_TRUE(decision) << decision.error().message;
    return decision ? decision->access : Access::kClosed;
  }

  static constexpr std::int64_t kNow = 2'000'000'000;

  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "policy.db";
  Timestamp now_{std::chrono::seconds{kNow}};
  std::vector<gid_t> groups_;
  std::unique_ptr<db::Connection> writer_;
  std::unique_ptr<Policy> policy_;
};

}  // namespace grantfs
