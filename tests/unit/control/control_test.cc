#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>

#include "control/publication.h"
#include "control_fixture.h"

namespace grantfs {
namespace {

using nlohmann::json;
using std::chrono::milliseconds;

TEST_F(ControlTest, ADaemonTellsItsStatus) {
  auto server = start();
  ASSERT_TRUE(server) << server.error().message;
  auto status = ask_status(socket_);
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->version, "1.2");
  EXPECT_EQ(status->pid, 7);
  EXPECT_EQ(status->mountpoint, "/m");
  EXPECT_EQ(status->uptime_seconds, 5);
  ASSERT_EQ(status->counters.size(), 1U);
  EXPECT_EQ(status->counters[0].second, 3);
}

TEST_F(ControlTest, TheSocketIsForItsGroupAlone) {
  auto server = start();
  ASSERT_TRUE(server);
  struct stat status = {};
  ASSERT_EQ(::stat(socket_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0660U);
  EXPECT_EQ(status.st_gid, ::getegid());
}

TEST_F(ControlTest, AnotherDaemonTakesTheSocketsName) {
  auto before = start();
  ASSERT_TRUE(before);
  auto beside = control::Listener::bind_beside(socket_, ::getegid());
  ASSERT_TRUE(beside) << beside.error().message;
  auto third = control::Listener::bind_beside(socket_, ::getegid());
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().kind, ErrorKind::kConflict);
  EXPECT_NE(third.error().message.find("about to take over"), std::string::npos);
  auto after =
      ControlServer::start(std::move(*beside), [](const auto&, const auto&, const auto& reply) {
        reply({{"pid", 8}});
      });
  ASSERT_TRUE(after);
  EXPECT_EQ(ask_status(socket_)->pid, 7);
  ASSERT_TRUE((*after)->take_name(socket_));
  EXPECT_EQ(ask_status(socket_)->pid, 8);
  *before = nullptr;  // its name is another's by now, and stays
  EXPECT_EQ(ask_status(socket_)->pid, 8);
}

TEST_F(ControlTest, WhatIsNoSocketKeepsItsName) {
  std::ofstream(socket_) << "a file";
  auto beside = control::Listener::bind_beside(socket_, ::getegid());
  ASSERT_TRUE(beside) << beside.error().message;
  auto taken = beside->take_name(socket_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(std::filesystem::is_regular_file(socket_));
}

TEST_F(ControlTest, GarbageIsAnsweredWithAnError) {
  auto server = start();
  ASSERT_TRUE(server);
  for (const std::string& line :
       {std::string("\n"), std::string("garbage\n"), std::string("{\n"), std::string("[1,2]\n"),
        std::string("{}\n"), std::string("{\"command\":7}\n"), std::string("null\n"),
        std::string("{\"command\":\"status\"\n"), std::string("\0\xff\xfe\n", 4),
        std::string(60000, '[') + '\n'}) {
    EXPECT_TRUE(is_error(ask_raw(line))) << line.substr(0, 80);
  }
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(ControlTest, AnOverlongRequestIsAnsweredWithAnError) {
  auto server = start();
  ASSERT_TRUE(server);
  EXPECT_TRUE(is_error(ask_raw(std::string(control::kMaxLineBytes + 1, 'x'))));
  EXPECT_TRUE(is_error(ask_raw(std::string(1000000, 'x') + '\n')));
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(ControlTest, AHandlersFailureIsAnErrorAnswer) {
  auto server = start();
  ASSERT_TRUE(server);
  EXPECT_TRUE(is_error(ask_raw("{\"command\":\"throw\"}\n")));
  EXPECT_TRUE(is_error(ask_raw("{\"command\":\"long\"}\n")));
  EXPECT_TRUE(ask_daemon(socket_, {{"command", "bytes"}}));
  auto refused = ask_daemon(socket_, {{"command", "dance"}});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("no such command"), std::string::npos);
}

TEST_F(ControlTest, ARequestMayComeInPieces) {
  auto server = start();
  ASSERT_TRUE(server);
  const UniqueFd fd = connect();
  for (const char c : std::string("{\"command\":\"status\"}\n")) {
    ASSERT_EQ(::send(fd.get(), &c, 1, MSG_NOSIGNAL), 1);
    std::this_thread::sleep_for(milliseconds{2});
  }
  EXPECT_NE(read_all(fd).find("\"ok\":true"), std::string::npos);
}

TEST_F(ControlTest, ASlowClientIsCutOffAndHoldsUpNobody) {
  auto server = start(milliseconds{300});
  ASSERT_TRUE(server);
  const UniqueFd slow = connect();
  ASSERT_EQ(::send(slow.get(), "{", 1, MSG_NOSIGNAL), 1);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(ask_status(socket_));
  EXPECT_EQ(read_all(slow), "");
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds{5000});
}

TEST_F(ControlTest, MoreClientsThanAreServedWaitTheirTurn) {
  auto server = start(milliseconds{500});
  ASSERT_TRUE(server);
  std::vector<UniqueFd> idle;
  for (std::size_t i = 0; i < control::kMaxClients + 4; ++i) idle.push_back(connect());
  EXPECT_TRUE(ask_status(socket_));  // once the idle ones are cut off
}

TEST_F(ControlTest, AClientThatVanishesDoesNoHarm) {
  auto server = start();
  ASSERT_TRUE(server);
  for (int i = 0; i < 20; ++i) {
    const UniqueFd fd = connect();
    ASSERT_GT(::send(fd.get(), "{\"command\":\"status\"}\n", 21, MSG_NOSIGNAL), 0);
  }
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(ControlTest, TheSocketGoesWithTheServer) {
  {
    auto server = start();
    ASSERT_TRUE(server);
    EXPECT_TRUE(std::filesystem::exists(socket_));
  }
  EXPECT_FALSE(std::filesystem::exists(socket_));
  auto nobody = ask_status(socket_);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().kind, ErrorKind::kNotFound);
}

TEST_F(ControlTest, AServerLeavesTheSocketOfItsSuccessorAlone) {
  auto first = start();
  ASSERT_TRUE(first);
  std::filesystem::remove(socket_);
  auto second = start();
  ASSERT_TRUE(second);
  first->reset();
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(ControlTest, AStaleSocketIsTakenOver) {
  {
    const UniqueFd dead = control::new_socket();
    auto address = control::socket_address(socket_);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(socket_));
  auto server = start();
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(ControlTest, ALiveSocketIsRefused) {
  auto first = start();
  ASSERT_TRUE(first);
  auto second = start();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
  EXPECT_TRUE(ask_status(socket_));
}

TEST_F(ControlTest, WhatIsNoSocketIsLeftAlone) {
  std::ofstream(socket_) << "precious";
  auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(std::filesystem::file_size(socket_), 8U);
}

TEST_F(ControlTest, APathTooLongForASocketIsRefused) {
  socket_ = directory_.path() / std::string(120, 'x');
  auto refused = start();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
}

TEST_F(ControlTest, AClientGivesUpOnADaemonThatDoesNotAnswer) {
  const UniqueFd silent = control::new_socket();
  auto address = control::socket_address(socket_);
  ASSERT_EQ(::bind(silent.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address), 0);
  ASSERT_EQ(::listen(silent.get(), 1), 0);
  const auto before = std::chrono::steady_clock::now();
  auto answer = ask_daemon(socket_, {{"command", "status"}}, milliseconds{200});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::kSystem);
  EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds{3000});
}

TEST_F(ControlTest, DaemonsAreFoundAtTheDatabase) {
  std::ofstream(database_) << "x";
  EXPECT_TRUE(find_daemons(database_).found.empty());
  auto published = Publication::publish(
      database_, ::getegid(), {"/srv/view", "/x.sock", 7, 1},
      [this](const auto& request, const auto&, const auto& reply) { answer(request, reply); });
  ASSERT_TRUE(published);
  EXPECT_EQ(find_daemons(database_).found.size(), 1U);
  (*published)->stop_answering();
  const auto silent = find_daemons(database_);
  EXPECT_TRUE(silent.found.empty());
  ASSERT_EQ(silent.troubles.size(), 1U);
  EXPECT_NE(silent.troubles[0].find("/srv/view"), std::string::npos);
}

}  // namespace
}  // namespace grantfs
