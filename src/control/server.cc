#include "control/server.h"

#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <exception>
#include <list>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/quiet_thread.h"
#include "base/urgent_thread.h"
#include "base/wipe.h"
#include "control/document.h"
#include "control/listener.h"
#include "control/replies.h"
#include "grantfs/secret.h"

namespace grantfs {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;
using nlohmann::json;

/// The pause after an accept(2) that failed for want of descriptors or memory. The listener stays
/// readable, and to accept again at once would spin.
constexpr std::chrono::milliseconds kAcceptPause{100};

/// A request, wiped in its destructor since there may be a token in it. The JSON parser that builds
/// the request does not wipe its own copies: see HACKING, "What is not a Secret".
class Request {
 public:
  explicit Request(std::string_view line)
      : parsed_(json::parse(line, nullptr, /*allow_exceptions=*/false)) {}
  ~Request() {  // NOLINT(bugprone-exception-escape): get_ref() throws for no string
    if (parsed_.is_object()) {
      for (json& value : parsed_) {
        if (value.is_string()) wipe(value.get_ref<std::string&>());
      }
    }
    control::empty(parsed_);
  }
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  const json& operator*() const { return parsed_; }

 private:
  json parsed_;
};

/// Has the handler answer a request. Answers in the handler's place if the request makes no sense.
void answer(std::string_view line, const ControlHandler& handler, const ControlPeer& peer,
            const ControlReply& reply) {
  constexpr int kMostBrackets = 64;
  try {
    if (std::ranges::count_if(line, [](char c) { return c == '{' || c == '['; }) > kMostBrackets) {
      return reply(control_error("the request has too many brackets"));
    }
    const Request parsed(line);
    const json& request = *parsed;
    if (!request.is_object()) return reply(control_error("the request is not a JSON object"));
    const auto command = request.find("command");
    if (command == request.end() || !command->is_string()) {
      return reply(control_error("the request has no \"command\""));
    }
    handler(request, peer, reply);
  } catch (const std::exception& error) {
    reply(control_error(error.what()));
  }
}

/// One connection: reads a line, has it answered, then writes the answer.
class Client {
 public:
  /// `id` is never used again for another client.
  Client(UniqueFd fd, std::uint64_t id, SteadyTime deadline)
      : fd_(std::move(fd)), id_(id), deadline_(deadline) {}

  int fd() const { return fd_.get(); }
  std::uint64_t id() const { return id_; }
  SteadyTime deadline() const { return deadline_; }
  /// The events to poll for. While the handler works on the answer there are none: poll(2) reports
  /// a hang-up unasked.
  short events() const {
    if (!answer_.empty()) return POLLOUT;
    return awaiting_ ? 0 : POLLIN;
  }

  /// Reads and writes as far as possible without waiting. Returns false when the connection is
  /// over, or when memory has run out.
  bool advance(const ControlHandler& handler, control::ReplyQueue& replies) {
    if (!answer_.empty()) return write_answer();
    if (awaiting_) return false;  // the client hung up
    try {
      return read_request(handler, replies);
    } catch (const std::exception&) {
      return false;
    }
  }

  /// Sends the answer as far as possible without waiting. Returns false when the connection is
  /// over.
  bool send(std::string line) {
    if (!answer_.empty()) return true;
    answer_ = std::move(line);
    return write_answer();
  }

 private:
  bool read_request(const ControlHandler& handler, control::ReplyQueue& replies) {
    std::array<char, 4096> buffer;  // NOLINT(*-member-init): recv() fills it
    const bool goes_on = read_request(buffer, handler, replies);
    ::explicit_bzero(buffer.data(), buffer.size());
    return goes_on;
  }

  bool read_request(std::span<char> buffer, const ControlHandler& handler,
                    control::ReplyQueue& replies) {
    while (true) {
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return errno == EAGAIN;
      if (size == 0) return false;  // the client is gone, or never finished its line
      request_.append({buffer.data(), static_cast<std::size_t>(size)});
      const auto newline = request_.view().find('\n');
      if (std::min(newline, request_.size()) >= control::kMaxLineBytes) {
        return send(control::to_line(control_error(
            fmt::format("the request is longer than {} bytes", control::kMaxLineBytes))));
      }
      if (newline != std::string_view::npos) {
        request_.resize(newline);
        awaiting_ = true;
        answer(request_.view(), handler, ControlPeer(fd_.get()), replies.reply_to(id_));
        request_.clear();
        return true;
      }
    }
  }

  bool write_answer() {
    while (sent_ < answer_.size()) {
      const ssize_t size =
          ::send(fd_.get(), answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return errno == EAGAIN;
      sent_ += static_cast<std::size_t>(size);
    }
    return false;
  }

  UniqueFd fd_;
  std::uint64_t id_;
  SteadyTime deadline_;
  bool awaiting_ = false;  ///< the request is complete, and the handler has it
  Secret request_;         ///< the part received so far: there may be a token in it
  std::string answer_;
  std::size_t sent_ = 0;
};

}  // namespace

json control_error(std::string_view message) {
  json error = json::object();  // see control/document.h
  error["ok"] = false;
  error["error"] = message;
  return error;
}

class ControlServer::Impl {
 public:
  Impl(control::Listener listener, UniqueFd wake, ControlHandler handler,
       std::chrono::milliseconds client_time)
      : listener_(std::move(listener)),
        replies_(std::make_shared<control::ReplyQueue>(std::move(wake))),
        handler_(std::move(handler)),
        client_time_(client_time) {
    thread_ = start_quiet_thread("grantfs control", [this] { serve(); });
  }

  ~Impl() {
    replies_->close();
    thread_.join();
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  Result<void> take_name(const std::filesystem::path& socket) {
    return listener_.take_name(socket);  // the thread uses the descriptor alone
  }

 private:
  void serve() {
    make_this_thread_urgent();
    std::vector<pollfd> polled;
    // The queue is asked before each wait: deliver() may have read the wake-up that close() sent.
    while (!replies_->closed()) {
      try {
        serve_once(polled);
      } catch (const std::exception&) {
        // Out of memory: the clients that wait for an answer hang up at their own deadlines.
        std::this_thread::sleep_for(kAcceptPause);
      }
    }
  }

  void serve_once(std::vector<pollfd>& polled) {
    const SteadyTime now = std::chrono::steady_clock::now();
    clients_.remove_if([&](const Client& client) { return client.deadline() <= now; });
    const bool accepting = clients_.size() < control::kMaxClients && accept_from_ <= now;

    polled.assign({{replies_->wake_fd(), POLLIN, 0},
                   // poll(2) ignores a negative descriptor.
                   {accepting ? listener_.fd() : -1, POLLIN, 0}});
    for (const Client& client : clients_) polled.push_back({client.fd(), client.events(), 0});
    if (::poll(polled.data(), polled.size(), milliseconds_to_wait(now)) < 0) {
      if (errno == EINTR) return;
      // Out of memory, at worst: poll again after a pause.
      std::this_thread::sleep_for(kAcceptPause);
      return;
    }

    auto entry = polled.begin() + 2;
    for (auto client = clients_.begin(); client != clients_.end(); ++entry) {
      const bool over = entry->revents != 0 && !client->advance(handler_, *replies_);
      client = over ? clients_.erase(client) : std::next(client);
    }
    // Finished replies are delivered after the clients' requests, since the handler answers most
    // requests within its call.
    deliver();
    if (polled[1].revents != 0) accept();
  }

  void deliver() {
    for (control::FinishedReply& reply : replies_->take()) {
      const auto client = std::ranges::find(clients_, reply.client, &Client::id);
      if (client != clients_.end() && !client->send(std::move(reply.line))) clients_.erase(client);
    }
  }

  void accept() {
    UniqueFd fd(::accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    const SteadyTime now = std::chrono::steady_clock::now();
    if (fd) {
      clients_.emplace_back(std::move(fd), next_client_++, now + client_time_);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
      accept_from_ = now + kAcceptPause;
    }
  }

  /// Milliseconds until the next deadline of a client or of a pause; -1 if there is none.
  int milliseconds_to_wait(SteadyTime now) const {
    std::optional<SteadyTime> next;
    if (accept_from_ > now) next = accept_from_;
    for (const Client& client : clients_) {
      if (!next || client.deadline() < *next) next = client.deadline();
    }
    if (!next) return -1;
    // The time is rounded up, so that poll(2) does not wake just before the deadline.
    return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(*next - now).count());
  }

  control::Listener listener_;
  std::shared_ptr<control::ReplyQueue> replies_;
  ControlHandler handler_;
  std::chrono::milliseconds client_time_;
  std::list<Client> clients_;
  std::uint64_t next_client_ = 0;
  SteadyTime accept_from_{};
  std::thread thread_;
};

ControlServer::ControlServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Result<void> ControlServer::take_name(const std::filesystem::path& socket) {
  return impl_->take_name(socket);
}

ControlServer::~ControlServer() = default;

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::filesystem::path& socket,
                                                            gid_t gid_of_administrators,
                                                            ControlHandler handler,
                                                            std::chrono::milliseconds client_time) {
  auto listener = control::Listener::bind(socket, gid_of_administrators);
  if (!listener) return listener.error();
  return start(std::move(*listener), std::move(handler), client_time);
}

Result<std::unique_ptr<ControlServer>> ControlServer::start(control::Listener listener,
                                                            ControlHandler handler,
                                                            std::chrono::milliseconds client_time) {
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) {
    return Error{
        ErrorKind::kSystem,
        fmt::format("cannot make an eventfd for the control socket: {}", std::strerror(errno))};
  }
  try {
    return std::unique_ptr<ControlServer>(new ControlServer(std::make_unique<Impl>(
        std::move(listener), std::move(wake), std::move(handler), client_time)));
  } catch (const std::system_error& error) {
    return Error{ErrorKind::kSystem, fmt::format("the control socket: {}", error.what())};
  }
}

}  // namespace grantfs
