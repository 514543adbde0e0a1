#include "grantfs/recall.h"

#include <sys/stat.h>

#include <fstream>
#include <future>
#include <mutex>

#include "base/lease_spans.h"
#include "control/publication.h"
#include "control_fixture.h"

namespace grantfs {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

/// How a daemon of these tests takes a recall.
enum class Manner { kAcknowledges, kHangs, kRefuses };

/// A daemon that has published itself at a database, in this process.
class FakeDaemon {
 public:
  FakeDaemon(const std::filesystem::path& database, const std::string& mountpoint,
             double lease_seconds, Manner manner)
      : manner_(manner) {
    auto published =
        Publication::publish(database, ::getegid(), {mountpoint, "/nowhere.sock", 7, lease_seconds},
                             [this](const json& /*request*/, const ControlPeer& /*peer*/,
                                    const ControlReply& reply) { answer(reply); });
    EXPECT_TRUE(published) << published.error().message;
    if (published) published_ = std::move(*published);
  }

  int recalls() const { return recalls_; }
  void stop_answering() { published_->stop_answering(); }
  void die() { published_.reset(); }

 private:
  void answer(const ControlReply& reply) {
    ++recalls_;
    if (manner_ == Manner::kAcknowledges) return reply(json::object());
    if (manner_ != Manner::kHangs) return reply(control_error("unknown command"));
    const std::lock_guard lock(mutex_);
    kept_.push_back(reply);
  }

  Manner manner_;
  std::atomic<int> recalls_ = 0;
  std::mutex mutex_;
  std::vector<ControlReply> kept_;
  std::unique_ptr<Publication> published_;  // last: its thread uses the rest
};

class RecallTest : public testing::Test {
 protected:
  RecallTest() {
    std::ofstream(database_) << "x";
    std::ofstream(other_database_) << "x";
  }

  std::unique_ptr<FakeDaemon> daemon(double lease_seconds, Manner manner) {
    return std::make_unique<FakeDaemon>(database_, "/srv/view", lease_seconds, manner);
  }

  RecallOutcome ask() {
    committed_ = std::chrono::steady_clock::now();
    return recall(database_, committed_);
  }

  milliseconds since_commit() const {
    return std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - committed_);
  }

  TemporaryDirectory directory_;
  std::filesystem::path database_ = directory_.path() / "policy.db";
  std::filesystem::path other_database_ = directory_.path() / "other.db";
  SteadyTime committed_;
};

TEST_F(RecallTest, EveryDaemonOnTheDatabaseIsAskedOnce) {
  const auto first = daemon(1, Manner::kAcknowledges);
  const auto second = daemon(1, Manner::kAcknowledges);
  const auto outcome = ask();
  EXPECT_EQ(outcome.acknowledged, 2U);
  EXPECT_TRUE(outcome.unacknowledged.empty());
  EXPECT_EQ(outcome.leases_end(committed_), committed_);
  EXPECT_EQ(first->recalls(), 1);
  EXPECT_EQ(second->recalls(), 1);
}

TEST_F(RecallTest, TheDatabaseIsKnownByItsFileNotItsName) {
  const auto there = daemon(1, Manner::kAcknowledges);
  std::filesystem::create_directory(directory_.path() / "elsewhere");
  const auto alias = directory_.path() / "elsewhere" / "alias.db";
  std::filesystem::create_symlink(database_, alias);
  EXPECT_EQ(recall(alias, std::chrono::steady_clock::now()).acknowledged, 1U);
}

TEST_F(RecallTest, WithoutADaemonThereIsNothingToRecall) {
  EXPECT_FALSE(ask().any());
  daemon(30, Manner::kAcknowledges)->die();
  EXPECT_FALSE(ask().any());
}

TEST_F(RecallTest, ADaemonThatHangsIsGivenUpWhenItsLeaseIsOver) {
  const auto hung = daemon(0.2, Manner::kHangs);
  const auto outcome = ask();
  EXPECT_GE(since_commit(), milliseconds{200});
  EXPECT_EQ(outcome.acknowledged, 0U);
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_NE(outcome.unacknowledged[0].name.find("'/srv/view'"), std::string::npos);
  EXPECT_NE(outcome.unacknowledged[0].trouble.find("does not answer"), std::string::npos);
  EXPECT_EQ(outcome.leases_end(committed_), committed_ + milliseconds{200} + spans::kTickMargin);
}

TEST_F(RecallTest, ADaemonThatNobodyCanReachIsGivenUpWhenItsLeaseIsOver) {
  const auto unreachable = daemon(0.2, Manner::kAcknowledges);
  unreachable->stop_answering();
  const auto outcome = ask();
  EXPECT_GE(since_commit(), milliseconds{200});
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.leases_end(committed_), committed_ + milliseconds{200} + spans::kTickMargin);
}

TEST_F(RecallTest, ADaemonThatIsEndingIsWaitedForNoLongerThanThat) {
  const auto ends = daemon(3600, Manner::kAcknowledges);
  ends->stop_answering();
  auto asked = std::async(std::launch::async, [&] { return ask(); });
  EXPECT_EQ(asked.wait_for(milliseconds{50}), std::future_status::timeout);
  ends->die();
  EXPECT_FALSE(asked.get().any());
}

TEST_F(RecallTest, ALongLeaseIsNotWaitedForHere) {
  const auto hung = daemon(3600, Manner::kHangs);
  const auto outcome = ask();
  EXPECT_EQ(outcome.leases_end(committed_),
            committed_ + std::chrono::hours{1} + spans::kTickMargin);
}

TEST_F(RecallTest, ARefusalIsNoAcknowledgement) {
  const auto refuses = daemon(30, Manner::kRefuses);
  const auto outcome = ask();
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.unacknowledged[0].lease, std::chrono::seconds{30});
}

TEST_F(RecallTest, WhatAKilledDaemonLentIsWaitedOutOnce) {
  const auto folder = control::record_folder(database_);
  std::filesystem::create_directory(folder);
  std::ofstream(folder / "0123456789abcdef.json") << R"({"mountpoint":"/m","lease_seconds":0.2})";
  const auto outcome = ask();
  EXPECT_GE(since_commit(), milliseconds{200});
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_NE(outcome.unacknowledged[0].name.find("'/m'"), std::string::npos);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  EXPECT_FALSE(ask().any());
}

TEST_F(RecallTest, ADaemonThatEndsMidwayHasLentNothing) {
  const auto dies = daemon(30, Manner::kHangs);
  auto asked = std::async(std::launch::async, [&] { return ask(); });
  while (dies->recalls() == 0) std::this_thread::yield();
  dies->die();
  EXPECT_FALSE(asked.get().any());
}

TEST_F(RecallTest, OneThatHangsDoesNotKeepTheOthersFromBeingAsked) {
  const auto hung = daemon(3, Manner::kHangs);
  const auto second = daemon(3, Manner::kHangs);
  const auto lives = daemon(1, Manner::kAcknowledges);
  auto asked = std::async(std::launch::async, [&] { return ask(); });
  // All of them while none of the first two has been given up.
  while (hung->recalls() + second->recalls() + lives->recalls() < 3 &&
         asked.wait_for(milliseconds{1}) == std::future_status::timeout) {
  }
  EXPECT_EQ(hung->recalls() + second->recalls() + lives->recalls(), 3);
  const auto outcome = asked.get();
  EXPECT_EQ(outcome.acknowledged, 1U);
  EXPECT_EQ(outcome.unacknowledged.size(), 2U);
}

TEST_F(RecallTest, ADaemonOnAnotherDatabaseIsNotEvenAsked) {
  FakeDaemon other(other_database_, "/srv/other", 30, Manner::kHangs);
  const auto ours = daemon(1, Manner::kAcknowledges);
  const auto outcome = ask();
  EXPECT_EQ(outcome.acknowledged, 1U);
  EXPECT_TRUE(outcome.unacknowledged.empty());
  EXPECT_EQ(other.recalls(), 0);
}

TEST_F(RecallTest, ADaemonThatLendsNothingNeedNotAcknowledge) {
  const auto hung = daemon(0, Manner::kHangs);
  const auto refuses = daemon(0, Manner::kRefuses);
  const auto outcome = ask();
  EXPECT_EQ(outcome.lending_nothing, 2U);
  EXPECT_TRUE(outcome.unacknowledged.empty());
  EXPECT_TRUE(outcome.any());
  EXPECT_EQ(outcome.leases_end(committed_), committed_);
}

TEST_F(RecallTest, WhereItCannotBeKnownWhoRunsTheLongestLeaseIsWaitedOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "becomes another user: run it as root";
  const auto closed = daemon(2, Manner::kAcknowledges);
  const auto folder = control::record_folder(database_);
  ASSERT_EQ(::chown(folder.c_str(), static_cast<uid_t>(-1), 54321), 0);
  std::filesystem::permissions(directory_.path(), std::filesystem::perms{0755});
  ASSERT_EQ(::seteuid(65534), 0);
  const auto outcome = ask();
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.unacknowledged[0].lease, spans::kLongestLease);
  EXPECT_EQ(closed->recalls(), 0);
}

}  // namespace
}  // namespace grantfs
