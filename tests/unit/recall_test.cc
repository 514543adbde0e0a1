#include "control/recall.h"

#include <sys/stat.h>

#include <fstream>
#include <future>
#include <mutex>

#include "control_fixture.h"

namespace grantfs {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock::time_point;

/// How a daemon of these tests takes a recall.
enum class Manner { kAcknowledges, kHangs, kRefuses, kIsTooOld };

/// A daemon with a control socket, in this process.
class FakeDaemon {
 public:
  FakeDaemon(const std::filesystem::path& socket, const std::filesystem::path& database,
             double lease_seconds, Manner manner, gid_t group = ::getegid())
      : socket_(socket), database_(database), manner_(manner) {
    auto started = ControlServer::start(
        socket, group, {database, "/mnt/" + socket.stem().string(), 7, lease_seconds},
        [this](const json& request, const ControlPeer& /*peer*/, const ControlReply& reply) {
          answer(request, reply);
        });
    EXPECT_TRUE(started) << started.error().message;
    if (started) server_ = std::move(*started);
    if (manner == Manner::kIsTooOld) std::filesystem::remove(control::record_path(socket));
  }

  int recalls() const { return recalls_; }
  void die() { server_.reset(); }

 private:
  void answer(const json& request, const ControlReply& reply) {
    if (request["command"] == "status") {
      return reply({{"database", database_.string()}, {"mountpoint", "/mnt"}, {"enforce", "open"}});
    }
    ++recalls_;
    if (manner_ == Manner::kAcknowledges) return reply(json::object());
    if (manner_ != Manner::kHangs) return reply(control_error("unknown command"));
    const std::lock_guard lock(mutex_);
    kept_.push_back(reply);
  }

  std::filesystem::path socket_;
  std::filesystem::path database_;
  Manner manner_;
  std::atomic<int> recalls_ = 0;
  std::mutex mutex_;
  std::vector<ControlReply> kept_;
  std::unique_ptr<ControlServer> server_;  // last: its thread uses the rest
};

class RecallTest : public testing::Test {
 protected:
  RecallTest() {
    std::ofstream(database_) << "x";
    std::ofstream(other_database_) << "x";
  }

  std::unique_ptr<FakeDaemon> daemon(const std::string& name, double lease_seconds, Manner manner) {
    return std::make_unique<FakeDaemon>(socket(name), database_, lease_seconds, manner);
  }

  std::filesystem::path socket(const std::string& name) const {
    return directory_.path() / (name + ".sock");
  }

  RecallOutcome ask(const std::optional<std::filesystem::path>& named = {}) {
    committed_ = std::chrono::steady_clock::now();
    return recall(database_, named, committed_, directory_.path());
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
  const auto first = daemon("first", 1, Manner::kAcknowledges);
  const auto second = daemon("second", 1, Manner::kAcknowledges);
  const auto outcome = ask(socket("second"));
  EXPECT_EQ(outcome.acknowledged, 2U);
  EXPECT_TRUE(outcome.unacknowledged.empty());
  EXPECT_EQ(outcome.leases_end(committed_), committed_);
  EXPECT_EQ(first->recalls(), 1);
  EXPECT_EQ(second->recalls(), 1);
}

TEST_F(RecallTest, TheDatabaseIsKnownByItsFileNotItsName) {
  const auto there = daemon("there", 1, Manner::kAcknowledges);
  const auto alias = directory_.path() / "alias.db";
  std::filesystem::create_symlink(database_, alias);
  EXPECT_EQ(recall(alias, {}, std::chrono::steady_clock::now(), directory_.path()).acknowledged,
            1U);
}

TEST_F(RecallTest, ADaemonElsewhereIsAskedIfItsSocketIsNamed) {
  std::filesystem::create_directory(directory_.path() / "elsewhere");
  const auto there = daemon("elsewhere/x", 1, Manner::kAcknowledges);
  EXPECT_FALSE(ask().any());
  EXPECT_EQ(ask(socket("elsewhere/x")).acknowledged, 1U);
}

TEST_F(RecallTest, WithoutADaemonThereIsNothingToRecall) {
  EXPECT_FALSE(ask().any());
  daemon("gone", 30, Manner::kAcknowledges)->die();
  EXPECT_FALSE(ask(socket("gone")).any());
}

TEST_F(RecallTest, TheRecordOfADaemonThatWasKilledIsNoDaemon) {
  std::ofstream(control::record_path(socket("dead")))
      << json{{"database", database_}, {"mountpoint", "/m"}, {"pid", 1}, {"lease_seconds", 30}};
  const UniqueFd dead = control::new_socket();
  const auto address = control::socket_address(socket("dead"));
  ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
  EXPECT_FALSE(ask(socket("dead")).any());
}

TEST_F(RecallTest, ADaemonThatHangsIsGivenUpWhenItsLeaseIsOver) {
  const auto hung = daemon("hung", 0.2, Manner::kHangs);
  const auto outcome = ask();
  EXPECT_GE(since_commit(), milliseconds{200});
  EXPECT_LT(since_commit(), milliseconds{15000});
  EXPECT_EQ(outcome.acknowledged, 0U);
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.unacknowledged[0].control, socket("hung"));
  EXPECT_EQ(outcome.unacknowledged[0].mountpoint, "/mnt/hung");
  EXPECT_NE(outcome.unacknowledged[0].trouble.find("does not answer"), std::string::npos);
  EXPECT_EQ(outcome.leases_end(committed_), committed_ + milliseconds{200} + kLeaseMargin);
}

TEST_F(RecallTest, ALongLeaseIsNotWaitedForHere) {
  const auto hung = daemon("hung", 3600, Manner::kHangs);
  const auto outcome = ask();
  EXPECT_LT(since_commit(), milliseconds{60000});
  EXPECT_EQ(outcome.leases_end(committed_), committed_ + std::chrono::hours{1} + kLeaseMargin);
}

TEST_F(RecallTest, ARefusalIsNoAcknowledgement) {
  const auto refuses = daemon("refuses", 30, Manner::kRefuses);
  const auto outcome = ask();
  EXPECT_LT(since_commit(), milliseconds{15000});
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.unacknowledged[0].lease, std::chrono::seconds{30});
}

TEST_F(RecallTest, ADaemonThatDiesMidwayHasNotAcknowledged) {
  const auto dies = daemon("dies", 30, Manner::kHangs);
  auto asked = std::async(std::launch::async, [&] { return ask(); });
  while (dies->recalls() == 0) std::this_thread::yield();
  dies->die();
  const auto outcome = asked.get();
  EXPECT_EQ(outcome.acknowledged, 0U);
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_NE(outcome.unacknowledged[0].trouble.find("hung up"), std::string::npos);
}

TEST_F(RecallTest, OneThatHangsDoesNotKeepTheOthersFromBeingAsked) {
  const auto hung = daemon("a", 3, Manner::kHangs);
  const auto second = daemon("b", 3, Manner::kHangs);
  const auto lives = daemon("c", 1, Manner::kAcknowledges);
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
  FakeDaemon other(socket("other"), other_database_, 30, Manner::kHangs);
  const auto ours = daemon("ours", 1, Manner::kAcknowledges);
  const auto outcome = ask(socket("other"));
  EXPECT_EQ(outcome.acknowledged, 1U);
  EXPECT_TRUE(outcome.unacknowledged.empty());
  EXPECT_EQ(other.recalls(), 0);
}

TEST_F(RecallTest, ADaemonThatLendsNothingNeedNotAcknowledge) {
  const auto hung = daemon("hung", 0, Manner::kHangs);
  const auto refuses = daemon("refuses", 0, Manner::kRefuses);
  const auto old = daemon("old", 0, Manner::kIsTooOld);
  const auto outcome = ask();
  EXPECT_EQ(outcome.lending_nothing, 3U);
  EXPECT_TRUE(outcome.unacknowledged.empty());
  EXPECT_TRUE(outcome.any());
  EXPECT_EQ(outcome.leases_end(committed_), committed_);
}

TEST_F(RecallTest, ASilentSocketWithoutARecordIsTakenForADaemonWithTheDefaultLease) {
  const UniqueFd silent = control::new_socket();
  const auto address = control::socket_address(socket("silent"));
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
  ASSERT_EQ(::listen(silent.get(), 1), 0);
  const auto outcome = ask();
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.unacknowledged[0].lease, kDefaultLease);
  EXPECT_EQ(outcome.unacknowledged[0].mountpoint, "");
}

/// Another user while it lives.
class AsNobody {
 public:
  AsNobody() { EXPECT_EQ(::seteuid(65534), 0); }
  ~AsNobody() { EXPECT_EQ(::seteuid(0), 0); }
  AsNobody(const AsNobody&) = delete;
  AsNobody& operator=(const AsNobody&) = delete;
};

TEST_F(RecallTest, ADaemonThatMayNotBeAskedHasNotAcknowledgedUnlessItIsOfAnotherGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "becomes another user: run it as root";
  constexpr gid_t kGroup = 54321;
  const auto& top = directory_.path();
  std::filesystem::permissions(top, std::filesystem::perms{0755});
  FakeDaemon closed(socket("closed"), database_, 2, Manner::kAcknowledges, kGroup);
  {
    const AsNobody nobody;
    EXPECT_FALSE(ask().any());
  }
  ASSERT_EQ(::chown(top.c_str(), static_cast<uid_t>(-1), kGroup), 0);
  const AsNobody nobody;
  const auto outcome = ask();
  ASSERT_EQ(outcome.unacknowledged.size(), 1U);
  EXPECT_EQ(outcome.unacknowledged[0].lease, kLongestLease);
  EXPECT_EQ(closed.recalls(), 0);
}

}  // namespace
}  // namespace grantfs
