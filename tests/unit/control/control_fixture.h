#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "control/client.h"
#include "control/server.h"
#include "control/socket.h"
#include "support/temporary_directory.h"

namespace grantfs {

/// A control socket in a directory of its own.
class ControlTest : public testing::Test {
 protected:
  virtual void answer(const nlohmann::json& request, const ControlReply& reply) {
    reply(answer_at_once(request));
  }

  nlohmann::json answer_at_once(const nlohmann::json& request) const {
    const std::string command = request["command"];
    if (command == "status") {
      return {{"version", "1.2"},
              {"pid", 7},
              {"store", "/s"},
              {"mountpoint", "/m"},
              {"enforce", "open"},
              {"database", database_.string()},
              {"started", 1000},
              {"uptime_seconds", 5},
              {"counters", {{"lookups", 3}}}};
    }
    if (command == "throw") throw std::runtime_error("thrown");
    if (command == "long") return {{"text", std::string(control::kMaxLineBytes, 'x')}};
    if (command == "bytes") return {{"text", "\xff"}};
    return control_error("no such command");
  }

  Result<std::unique_ptr<ControlServer>> start(
      std::chrono::milliseconds client_time = control::kClientTime) {
    return ControlServer::start(
        socket_, ::getegid(),
        [this](const nlohmann::json& request, const ControlPeer& /*peer*/,
               const ControlReply& reply) { answer(request, reply); },
        client_time);
  }

  UniqueFd connect() const {
    UniqueFd fd = control::new_socket();
    int error = EAGAIN;  // while the queue is full
    for (int i = 0; error == EAGAIN && i < 1000; ++i) {
      error = control::connect_to(fd, *control::socket_address(socket_));
      if (error == EAGAIN) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    }
    EXPECT_EQ(error, 0);
    return fd;
  }

  /// Everything the server says until it hangs up, or what it said in `time`.
  static std::string read_all(const UniqueFd& fd,
                              std::chrono::milliseconds time = std::chrono::milliseconds{10000}) {
    std::string text;
    const auto deadline = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < deadline) {
      pollfd polled{fd.get(), POLLIN, 0};
      if (::poll(&polled, 1, 50) <= 0) continue;
      std::array<char, 4096> buffer{};
      const ssize_t size = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
      if (size <= 0) break;
      text.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return text;
  }

  std::string ask_raw(const std::string& bytes) const {
    const UniqueFd fd = connect();
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t size = ::send(fd.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (size < 0 && errno == EAGAIN) {
        pollfd polled{fd.get(), POLLOUT, 0};
        ::poll(&polled, 1, 1000);
        continue;
      }
      if (size < 0) break;  // it has heard enough
      sent += static_cast<std::size_t>(size);
    }
    return read_all(fd);
  }

  static bool is_error(const std::string& line) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    return line.ends_with('\n') && parsed.is_object() && parsed["ok"] == false &&
           parsed["error"].is_string();
  }

  TemporaryDirectory directory_;
  std::filesystem::path socket_ = directory_.path() / "x.sock";
  std::filesystem::path database_ = directory_.path() / "policy.db";
};

}  // namespace grantfs
