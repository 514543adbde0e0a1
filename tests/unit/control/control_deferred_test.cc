#include <sys/socket.h>

#include <atomic>
#include <future>
#include <mutex>
#include <optional>

#include "control_fixture.h"

namespace grantfs {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

/// A daemon that keeps the reply to every "recall" until it is told to give it.
class DeferredControlTest : public ControlTest {
 protected:
  void answer(const json& request, const ControlReply& reply) override {
    if (request["command"] == "drop") return;
    if (request["command"] == "throw late") {
      reply({{"said", "in time"}});
      throw std::runtime_error("thrown after the answer");
    }
    if (request["command"] != "recall") return ControlTest::answer(request, reply);
    const std::lock_guard lock(mutex_);
    waiting_.push_back(reply);
  }

  std::vector<ControlReply> take_waiting() {
    const std::lock_guard lock(mutex_);
    return std::exchange(waiting_, {});
  }

  /// Waits until `count` recalls have reached the handler, and takes their replies.
  std::vector<ControlReply> wait_for(std::size_t count) {
    std::vector<ControlReply> replies;
    const auto deadline = std::chrono::steady_clock::now() + milliseconds{20000};
    while (replies.size() < count && std::chrono::steady_clock::now() < deadline) {
      for (ControlReply& reply : take_waiting()) replies.push_back(std::move(reply));
      std::this_thread::yield();
    }
    EXPECT_EQ(replies.size(), count);
    return replies;
  }

  UniqueFd start_recall() const {
    UniqueFd fd = connect();
    const std::string line = "{\"command\":\"recall\"}\n";
    EXPECT_EQ(::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(line.size()));
    return fd;
  }

  std::mutex mutex_;
  std::vector<ControlReply> waiting_;
};

TEST_F(DeferredControlTest, AnAnswerMayComeLateAndFromAnotherThread) {
  auto server = start();
  ASSERT_TRUE(server) << server.error().message;
  auto asked = std::async(std::launch::async, [&] {
    return ask_daemon(socket_, {{"command", "recall"}}, milliseconds{20000});
  });
  const auto replies = wait_for(1);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(asked.wait_for(milliseconds{0}), std::future_status::timeout);
  std::thread([&] { replies[0]({{"late", true}}); }).join();
  const auto answer = asked.get();
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ((*answer)["late"], true);
}

TEST_F(DeferredControlTest, StatusIsServedWhileManyRecallsWait) {
  auto server = start();
  ASSERT_TRUE(server);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(start_recall());
  const auto replies = wait_for(clients.size());
  EXPECT_TRUE(ask_status(socket_));
  for (const ControlReply& reply : replies) reply(json::object());
  for (const UniqueFd& client : clients) {
    EXPECT_NE(read_all(client).find("\"ok\":true"), std::string::npos);
  }
}

TEST_F(DeferredControlTest, EachClientGetsItsOwnAnswer) {
  auto server = start();
  ASSERT_TRUE(server);
  const UniqueFd first = start_recall();
  const auto of_first = wait_for(1);
  const UniqueFd second = start_recall();
  const auto of_second = wait_for(1);
  ASSERT_FALSE(of_first.empty() || of_second.empty());
  of_second[0]({{"who", "second"}});
  EXPECT_NE(read_all(second).find("second"), std::string::npos);
  of_first[0]({{"who", "first"}});
  EXPECT_NE(read_all(first).find("first"), std::string::npos);
}

TEST_F(DeferredControlTest, AnAnswerToAClientThatHasGoneDoesNoHarm) {
  auto server = start();
  ASSERT_TRUE(server);
  { const UniqueFd gone = start_recall(); }
  const auto replies = wait_for(1);
  EXPECT_TRUE(ask_status(socket_));
  for (const ControlReply& reply : replies) reply(json::object());
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(DeferredControlTest, ClientsThatHangUpMakeRoom) {
  auto server = start(milliseconds{60000});
  ASSERT_TRUE(server);
  for (std::size_t i = 0; i < 2 * control::kMaxClients; ++i) {
    const UniqueFd gone = start_recall();
    wait_for(1);
  }
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(DeferredControlTest, AnAnswerAfterTheServersEndDoesNoHarm) {
  std::vector<ControlReply> replies;
  {
    auto server = start();
    ASSERT_TRUE(server);
    const UniqueFd client = start_recall();
    replies = wait_for(1);
    server->reset();
    EXPECT_EQ(read_all(client), "");  // hung up on
  }
  for (const ControlReply& reply : replies) reply(json::object());
}

TEST_F(DeferredControlTest, AReplyThatIsDroppedTellsTheClientSo) {
  auto server = start(milliseconds{60000});
  ASSERT_TRUE(server);
  EXPECT_TRUE(is_error(ask_raw("{\"command\":\"drop\"}\n")));
}

TEST_F(DeferredControlTest, OnlyTheFirstAnswerCounts) {
  auto server = start();
  ASSERT_TRUE(server);
  const UniqueFd client = start_recall();
  const auto replies = wait_for(1);
  ASSERT_EQ(replies.size(), 1U);
  const ControlReply copy = replies[0];
  copy({{"n", 1}});
  replies[0]({{"n", 2}});
  EXPECT_EQ(read_all(client), "{\"n\":1,\"ok\":true}\n");
  EXPECT_EQ(ask_raw("{\"command\":\"throw late\"}\n"), "{\"ok\":true,\"said\":\"in time\"}\n");
}

TEST_F(DeferredControlTest, AClientIsCutOffWhenItsAnswerTakesTooLong) {
  auto server = start(milliseconds{200});
  ASSERT_TRUE(server);
  const UniqueFd client = start_recall();
  EXPECT_EQ(read_all(client), "");
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(DeferredControlTest, AClientMayStopSendingAndStillGetItsAnswer) {
  auto server = start();
  ASSERT_TRUE(server);
  const UniqueFd client = start_recall();
  ASSERT_EQ(::shutdown(client.get(), SHUT_WR), 0);
  for (const ControlReply& reply : wait_for(1)) reply(json::object());
  EXPECT_NE(read_all(client).find("\"ok\":true"), std::string::npos);
}

}  // namespace
}  // namespace grantfs
