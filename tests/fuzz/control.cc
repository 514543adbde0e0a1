// The control socket: whatever a client sends, the next is answered.
#include <poll.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <string>

#include "control/client.h"
#include "control/server.h"
#include "control/socket.h"
#include "fuzz.h"
#include "support/temporary_directory.h"

namespace grantfs::fuzz {
namespace {

constexpr std::string_view kCut = "\x01";  // where what is sent is cut in two

class Server {
 public:
  Server()
      : server_(ControlServer::start(
                    socket_, ::getegid(),
                    [](const nlohmann::json& request, const ControlPeer& /*peer*/,
                       const ControlReply& reply) {
                      nlohmann::json answer = nlohmann::json::object();
                      answer["command"] = request["command"];
                      reply(std::move(answer));
                    },
                    kClientTime)
                    .value()) {}

  /// Sends the pieces one by one, and hangs up for writing; what is said until the server hangs up.
  std::string say(std::string_view bytes) const {
    UniqueFd fd = control::new_socket();
    require(control::connect_to(fd, *control::socket_address(socket_)) == 0,
            "the server takes a connection");
    while (!bytes.empty()) {
      const std::string_view piece = take_until(bytes, kCut.front());
      // An error: it has heard enough, and has hung up.
      if (::send(fd.get(), piece.data(), piece.size(), MSG_NOSIGNAL) < 0) break;
    }
    ::shutdown(fd.get(), SHUT_WR);
    std::string said;
    for (char buffer[4096];;) {  // NOLINT(modernize-avoid-c-arrays)
      pollfd polled{fd.get(), POLLIN, 0};
      require(::poll(&polled, 1, kPatienceMilliseconds) == 1, "the server answers or hangs up");
      const ssize_t size = ::recv(fd.get(), buffer, sizeof buffer, 0);
      if (size <= 0) return said;
      said.append(buffer, static_cast<std::size_t>(size));
    }
  }

 private:
  static constexpr int kPatienceMilliseconds = 10000;
  static constexpr std::chrono::seconds kClientTime{5};

  TemporaryDirectory folder_;
  std::filesystem::path socket_ = folder_.path() / "x.sock";
  std::unique_ptr<ControlServer> server_;
};

}  // namespace

void try_input(std::string_view input) {
  static const Server server;
  const std::string said = server.say(input);
  if (!said.empty()) {
    require(said.ends_with('\n') && said.find('\n') == said.size() - 1, "an answer is one line");
    const auto answer = nlohmann::json::parse(said, nullptr, /*allow_exceptions=*/false);
    require(answer.is_object() && answer["ok"].is_boolean(), "an answer says whether it is one");
    require(answer["ok"] == true || answer["error"].is_string(), "a refusal says why");
  }
  require(server.say("{\"command\":\"x\"}\n") == "{\"command\":\"x\",\"ok\":true}\n",
          "the next client is answered");
}

}  // namespace grantfs::fuzz
