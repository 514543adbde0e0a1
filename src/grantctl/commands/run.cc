#include <fcntl.h>
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/quote.h"
#include "base/unique_fd.h"
#include "control/bind.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantfs/secret.h"
#include "grantfs/token.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Secret;
using grantfs::UniqueFd;

namespace {

// The exit statuses are those of env(1).
constexpr int kCannotExecute = 126;
constexpr int kNoSuchProgram = 127;
constexpr int kSignalled = 128;  ///< plus the signal's number, as shells have it

/// Reads a token. A text that cannot be a token is kNotFound, like an unknown token.
Result<Secret> read_possible_token() {
  auto token = read_token();
  if (!token) return token.error();
  if (auto possible = grantfs::check_token(token->view()); !possible) {
    return Error{ErrorKind::kNotFound, possible.error().message};
  }
  return token;
}

/// Holds back, while it lives, the signals that end a program and SIGCHLD, until next() asks for
/// them. So a process that waits for its child neither dies before the child nor misses a signal.
class HeldSignals {
 public:
  static constexpr std::array kForwarded{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

  HeldSignals() {
    ::sigemptyset(&held_);
    for (const int signal : kForwarded) ::sigaddset(&held_, signal);
    ::sigaddset(&held_, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &held_, &before_);
    // If the parent left SIGCHLD ignored, children would leave no exit status.
    struct sigaction standard = {};
    standard.sa_handler = SIG_DFL;
    ::sigaction(SIGCHLD, &standard, &of_child_before_);
  }
  ~HeldSignals() { restore(); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  void restore() const {
    ::sigaction(SIGCHLD, &of_child_before_, nullptr);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
  }

  /// The next held signal. Returns -1 if another signal came, which was handled.
  int next() const { return ::sigwaitinfo(&held_, nullptr); }

 private:
  sigset_t held_{};
  sigset_t before_{};
  struct sigaction of_child_before_ {};
};

/// Everything that the child needs.
struct Launch {
  std::filesystem::path database;
  const Secret& token;
  const HeldSignals& signals;
  const std::vector<std::string>& program;
};

/// Tells the parent why the program does not run. The first byte is the status to end with; the
/// reason follows.
[[noreturn]] void give_up(const UniqueFd& report, int status, const std::string& why) {
  const std::string text = static_cast<char>(status) + why;
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t size = ::write(report.get(), text.data() + written, text.size() - written);
    if (size < 0 && errno != EINTR) break;
    if (size > 0) written += static_cast<std::size_t>(size);
  }
  ::_exit(status);
}

/// Runs in the child: leads a POSIX session of its own, has it bound, and becomes the program.
/// execve(2) closes every descriptor of grantctl's and frees its memory.
[[noreturn]] void become(const Launch& launch, const UniqueFd& report) {
  if (::setsid() < 0) {
    give_up(report, kTrouble, fmt::format("cannot begin a session: {}", std::strerror(errno)));
  }
  const auto bound = grantfs::bind_session(launch.database, launch.token.view());
  if (!bound) give_up(report, exit_status(bound.error()), bound.error().message);
  std::vector<char*> arguments;
  for (const std::string& word : launch.program) {
    arguments.push_back(const_cast<char*>(word.c_str()));  // execve(2) does not write to them
  }
  arguments.push_back(nullptr);
  launch.signals.restore();
  ::execvp(arguments.front(), arguments.data());
  const int error = errno;
  give_up(
      report, error == ENOENT ? kNoSuchProgram : kCannotExecute,
      fmt::format("cannot execute {}: {}", quoted(launch.program.front()), std::strerror(error)));
}

/// Reads the child's report. It is empty once the child has become the program.
std::string read_report(const UniqueFd& report) {
  std::string text;
  std::array<char, 4096> buffer{};
  while (true) {
    const ssize_t size = ::read(report.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
}

/// Waits until the child has ended, and passes signals on to it meanwhile. Returns the child's
/// status as a shell has it.
int attend(pid_t child, const HeldSignals& signals) {
  while (true) {
    const int signal = signals.next();
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      ::kill(child, signal);  // the child keeps its number until it is waited for
      continue;
    }
    int status = 0;
    if (::waitpid(child, &status, WNOHANG) != child) continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    if (WIFSIGNALED(status)) return kSignalled + WTERMSIG(status);
  }
}

Result<int> run_program(Context& context, const std::string& session) {
  if (session != "-") {
    return Error{ErrorKind::kInvalid,
                 "a token is never an argument, since every process could read it there; write "
                 "--session - and give it on the first line of standard input"};
  }
  if (context.program.empty()) {
    return Error{ErrorKind::kInvalid,
                 "there is nothing to run; write: grantctl run --session - -- COMMAND..."};
  }
  auto database = context.database();
  if (!database) return database.error();
  auto token = read_possible_token();
  if (!token) return token.error();

  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return Error{ErrorKind::kSystem, fmt::format("cannot make a pipe: {}", std::strerror(errno))};
  }
  UniqueFd report(ends[0]);
  UniqueFd reported(ends[1]);
  const HeldSignals signals;
  const pid_t child = ::fork();
  if (child < 0) {
    return Error{ErrorKind::kSystem,
                 fmt::format("cannot begin a process: {}", std::strerror(errno))};
  }
  if (child == 0) {
    become({*database, *token, signals, context.program}, reported);
  }
  *token = Secret();
  reported.reset();
  const std::string trouble = read_report(report);
  const int status = attend(child, signals);
  if (trouble.empty()) return status;
  complain(trouble.substr(1));
  return static_cast<unsigned char>(trouble.front());
}

}  // namespace

void add_run(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "run",
      "Run a command whose processes see what a session may read as `me`: run --session - -- "
      "COMMAND...",
      "  printf '%s\\n' \"$TOKEN\" | grantctl run --session - -- \\\n"
      "    busybox httpd -f -p 127.0.0.1:8081 -h /srv/files/me");
  auto session = std::make_shared<std::string>();
  command
      .add_option("--session", *session,
                  "only '-': the session's token is the first line of standard input")
      ->type_name("-")
      ->required();
  on_run(command, context, [session](Context& shared) { return run_program(shared, *session); });
}

}  // namespace grantctl
