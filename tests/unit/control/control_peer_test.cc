#include <sys/wait.h>

#include <fstream>

#include "control/bind.h"
#include "control/publication.h"
#include "control_fixture.h"

namespace grantfs {
namespace {

using nlohmann::json;

/// A daemon that says who asks, in two ways.
class ControlPeerTest : public ControlTest {
 protected:
  Result<std::unique_ptr<ControlServer>> start_telling() {
    return ControlServer::start(socket_, ::getegid(),
                                [this](const json& request, const ControlPeer& peer,
                                       const ControlReply& reply) { tell(request, peer, reply); });
  }

  void tell(const json& request, const ControlPeer& peer, const ControlReply& reply) {
    if (refuses_) {
      json refusal = control_error("not this one");
      refusal["denied"] = denied_;
      return reply(refusal);
    }
    auto process = peer.process();
    if (!process) return reply(control_error(process.error().message));
    pollfd polled{process->pidfd.get(), POLLIN, 0};
    reply({{"pid", process->pid},
           {"lives", ::poll(&polled, 1, 0) == 0},
           {"token_bytes", request.value("token", "").size()},
           {"bindings", json::array({{{"session", 7}, {"id", "x"}}, {{"session", "y"}}, 3})}});
  }

  bool refuses_ = false;
  bool denied_ = false;
};

TEST_F(ControlPeerTest, AHandlerLearnsWhichProcessConnected) {
  auto server = start_telling();
  ASSERT_TRUE(server);
  auto answer = ask_daemon(socket_, {{"command", "who"}});
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ((*answer)["pid"], ::getpid());
  EXPECT_EQ((*answer)["lives"], true);
}

TEST_F(ControlPeerTest, WhoHasEndedIsNotTakenForAnother) {
  // A process connects, leaves the connection to its parent, and ends.
  auto server = start_telling();
  ASSERT_TRUE(server);
  const UniqueFd fd = control::new_socket();
  const pid_t child = ::fork();
  if (child == 0) ::_exit(control::connect_to(fd, *control::socket_address(socket_)));
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_GT(::send(fd.get(), "{\"command\":\"who\"}\n", 18, MSG_NOSIGNAL), 0);
  const json answer = json::parse(read_all(fd), nullptr, false);
  ASSERT_TRUE(answer.is_object());
  EXPECT_TRUE(answer["ok"] == false || answer["lives"] == false) << answer;
}

TEST_F(ControlPeerTest, ByItsNumberOnlyWhileItIsConnected) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd here(ends[0]);
  UniqueFd there(ends[1]);
  EXPECT_TRUE(control::pidfd_while_connected(here.get(), ::getpid()));
  there.reset();
  EXPECT_FALSE(control::pidfd_while_connected(here.get(), ::getpid()));
}

TEST_F(ControlPeerTest, ASessionIsBoundAtEveryDaemonOrNot) {
  const auto nowhere = bind_session(database_, "secret-token");
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().kind, ErrorKind::kSystem);
  EXPECT_FALSE(find_bindings(database_));
  std::ofstream(database_) << "";
  auto published =
      Publication::publish(database_, ::getegid(), {},
                           [this](const json& request, const ControlPeer& peer,
                                  const ControlReply& reply) { tell(request, peer, reply); });
  ASSERT_TRUE(published) << published.error().message;
  auto bound = bind_session(database_, "secret-token");
  ASSERT_TRUE(bound) << bound.error().message;
  EXPECT_EQ(*bound, 1U);
  const auto bindings = find_bindings(database_);
  ASSERT_TRUE(bindings);
  EXPECT_EQ(*bindings, (std::vector<SessionBinding>{{7, "x"}}));
  for (const char* const no_token : {"secret\"-token", "secret\\", "secret token", "secret\n"}) {
    bound = bind_session(database_, no_token);
    ASSERT_FALSE(bound);
    EXPECT_EQ(bound.error().kind, ErrorKind::kConflict);
    EXPECT_EQ(bound.error().message.find("secret"), std::string::npos);
  }
  for (const bool denied : {false, true}) {
    refuses_ = true;
    denied_ = denied;
    bound = bind_session(database_, "secret-token");
    ASSERT_FALSE(bound);
    EXPECT_EQ(bound.error().kind, denied ? ErrorKind::kConflict : ErrorKind::kSystem);
    EXPECT_EQ(bound.error().message.find("secret"), std::string::npos);
  }
}

}  // namespace
}  // namespace grantfs
