// A session check for nginx's auth_request, by libgrantfs and its policy database: the least that
// one could build instead of a mount.
//
//     auth_check DATABASE      standard input is a socket that listens
//
// A request has the session's token in X-Session and the URI in X-Original-URI. The answer is 204
// if the session may read the file of that URI, and 403 otherwise. nginx must pass no header of the
// client's (proxy_pass_request_headers off), so that both are nginx's own.

#include <fmt/core.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/unique_fd.h"
#include "grantfs/policy.h"

namespace grantfs {
namespace {

constexpr std::string_view kSession = "\r\nX-Session: ";
constexpr std::string_view kUri = "\r\nX-Original-URI: ";
constexpr std::string_view kPrefix = "/f/";  // of the location that serves the store
constexpr std::string_view kEndOfHead = "\r\n\r\n";
constexpr std::string_view kAllowed = "HTTP/1.1 204 No Content\r\n\r\n";
constexpr std::string_view kRefused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
constexpr std::size_t kMostHeadBytes = 16 << 10;

[[noreturn]] void fail(std::string_view what) {
  fmt::print(stderr, "auth_check: {}\n", what);
  std::_Exit(1);  // other threads run
}

/// The value of a header, whose name stands between a line's end and a blank as nginx writes them.
std::string_view value_of(std::string_view head, std::string_view name) {
  const std::size_t at = head.find(name);
  if (at == std::string_view::npos) return {};
  head.remove_prefix(at + name.size());
  return head.substr(0, head.find('\r'));
}

/// Thread-safe. One decision, which the policy remembers until the next commit.
bool is_allowed(Policy& policy, std::string_view head) {
  std::string_view uri = value_of(head, kUri);
  uri = uri.substr(0, uri.find('?'));
  // The URI is as the client sent it; nginx serves what it makes of that. Both lead to the same
  // file if nothing is encoded, there is no fragment, and no component is empty or of dots, which
  // no StorePath has. No name in this benchmark needs more.
  if (!uri.starts_with(kPrefix) || uri.find_first_of("%#") != std::string_view::npos) return false;
  const auto path = StorePath::parse(uri.substr(kPrefix.size()));
  if (!path) return false;
  const auto decision =
      policy.decide(SessionBearer{TokenHash::of(value_of(head, kSession))}, *path);
  return decision && decision->access == Access::kRead;
}

/// A connection that nginx keeps open for one request after another.
class Connection {
 public:
  explicit Connection(int socket) : socket_(socket) {}

  /// Reads once, and answers every request that is complete. False: the connection is over.
  bool go_on(Policy& policy) {
    std::array<char, 4096> buffer;
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size <= 0) return false;
    received_.append(buffer.data(), static_cast<std::size_t>(size));
    std::size_t end = 0;
    while ((end = received_.find(kEndOfHead)) != std::string::npos) {
      const bool allowed = is_allowed(policy, std::string_view(received_).substr(0, end + 2));
      const std::string_view answer = allowed ? kAllowed : kRefused;
      // A few bytes to one who waits for them: there is room.
      const ssize_t sent = ::send(socket_.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      if (sent != static_cast<ssize_t>(answer.size())) return false;
      received_.erase(0, end + kEndOfHead.size());
    }
    return received_.size() <= kMostHeadBytes;
  }

 private:
  UniqueFd socket_;
  std::string received_;
};

/// Answers on the connections whose sockets are added to the epoll; they are closed here.
[[noreturn]] void serve(int epoll, Policy& policy) {
  std::unordered_map<int, Connection> connections;
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) fail("epoll_wait failed");
    for (int i = 0; i < count; ++i) {
      const int socket = events.at(static_cast<std::size_t>(i)).data.fd;
      const auto connection = connections.try_emplace(socket, socket).first;
      if (!connection->second.go_on(policy)) connections.erase(connection);
    }
  }
}

/// A thread for each processor. Each connection is one thread's, the next connection the next's, so
/// that all have as many.
[[noreturn]] void run(Policy& policy) {
  std::vector<UniqueFd> epolls(std::max(std::thread::hardware_concurrency(), 1U));
  std::vector<std::thread> threads;
  for (UniqueFd& epoll : epolls) {
    epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    if (!epoll) fail("epoll_create1 failed");
    threads.emplace_back([&epoll, &policy] { serve(epoll.get(), policy); });
  }
  for (std::size_t next = 0;; next = (next + 1) % epolls.size()) {
    UniqueFd socket(::accept4(STDIN_FILENO, nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) fail("standard input must be a socket that listens");
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.fd = socket.get();
    if (::epoll_ctl(epolls[next].get(), EPOLL_CTL_ADD, socket.get(), &wanted) != 0) {
      fail("epoll_ctl failed");
    }
    static_cast<void>(socket.release());  // the thread's, from its first event on
  }
}

}  // namespace
}  // namespace grantfs

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: auth_check DATABASE <SOCKET\n");
    return 2;
  }
  const auto policy = grantfs::Policy::open({.database = argv[1]});
  if (!policy) grantfs::fail(policy.error().message);
  grantfs::run(**policy);
}
