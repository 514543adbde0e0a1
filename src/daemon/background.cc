#include "daemon/background.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace grantfs {
namespace {

constexpr char kReady = 'R';

[[noreturn]] void wait_for(pid_t child, const UniqueFd& pipe, Background::Systemd systemd) {
  char byte = 0;
  ssize_t got = 0;
  while ((got = ::read(pipe.get(), &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got == 1 && byte == kReady) {
    if (systemd == Background::Systemd::kToldByParent) {
      ::sd_notify(/*unset_environment=*/0, fmt::format("MAINPID={}", child).c_str());
    }
    ::_exit(EXIT_SUCCESS);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ::_exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE);
}

void leave_terminal() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(null.get(), standard);
  }
}

}  // namespace

Result<Background> Background::fork(Systemd systemd) {
  // The process that started this one may wait for a pipe to close, or may want to unmount a file
  // system that a descriptor keeps busy.
  ::close_range(STDERR_FILENO + 1, ~0U, 0);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error{ErrorKind::kSystem, fmt::format("cannot make a pipe: {}", std::strerror(errno))};
  }
  UniqueFd from_child(ends[0]);
  UniqueFd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) {
    return Error{ErrorKind::kSystem, fmt::format("cannot fork: {}", std::strerror(errno))};
  }
  if (child > 0) {
    to_parent.reset();
    wait_for(child, from_child, systemd);
  }
  ::setsid();
  return Background(std::move(to_parent), systemd);
}

void Background::ready() {
  if (parent_) {
    if (::chdir("/") != 0) return;  // "/" is always there; the parent reports odd cases
    leave_terminal();
    while (::write(parent_.get(), &kReady, 1) < 0 && errno == EINTR) {
    }
    parent_.reset();
  }
  // The environment is not changed: other threads may read it at this moment, and unsetenv(3) is
  // not safe then. The one program that libfuse may run (umount) does not speak to systemd.
  if (systemd_ == Systemd::kToldByChild) ::sd_notify(/*unset_environment=*/0, "READY=1");
}

}  // namespace grantfs
