// What a daemon answers, to a program that asks for its status: taken, or refused in one line.
#include <sys/socket.h>

#include <mutex>
#include <string>
#include <thread>

#include "control/client.h"
#include "control/listener.h"
#include "fuzz.h"
#include "support/temporary_directory.h"

namespace grantfs::fuzz {
namespace {

/// Answers each request by the same bytes, and hangs up.
class Daemon {
 public:
  Daemon() : listener_(control::Listener::bind(socket_, ::getegid()).value()) {
    std::thread([this] { serve(); }).detach();  // as long as the program lives
  }

  const std::filesystem::path& socket() const { return socket_; }
  void answer_by(std::string_view bytes) {
    const std::lock_guard lock(mutex_);
    answer_ = bytes;
  }

 private:
  void serve() {
    for (;;) {
      const UniqueFd fd(::accept4(listener_.fd(), nullptr, nullptr, SOCK_CLOEXEC));
      char request[4096];  // NOLINT(modernize-avoid-c-arrays)
      if (!fd) {
        std::this_thread::yield();
        continue;
      }
      (void)::recv(fd.get(), request, sizeof request, 0);
      const std::lock_guard lock(mutex_);
      (void)::send(fd.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    }
  }

  TemporaryDirectory folder_;
  std::filesystem::path socket_ = folder_.path() / "x.sock";
  control::Listener listener_;
  std::mutex mutex_;
  std::string answer_;
};

}  // namespace

void try_input(std::string_view input) {
  static Daemon& daemon =
      *new Daemon;  // NOLINT(cppcoreguidelines-owning-memory): its thread uses it to the end
  daemon.answer_by(input);
  const auto status = ask_status(daemon.socket(), "the daemon");
  require(status.ok() || is_one_line(status.error().message), "a refusal is one line");
}

}  // namespace grantfs::fuzz
