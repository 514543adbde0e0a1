#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t and its functions are POSIX
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/quiet_thread.h"
#include "base/quote.h"
#include "base/standard_descriptors.h"
#include "base/unique_fd.h"
#include "db/shm_guard.h"
#include "follow/follower.h"
#include "follow/options.h"
#include "postgres/connection.h"
#include "sandbox/call_filter.h"
#include "version.h"

namespace grantfs::follow {
namespace {

constexpr int kExitUsage = 2;

int complain(const Error& error) {
  fmt::print(stderr, "grantfs-follow: {}\n", printable(shortened(error.message)));
  return error.kind == ErrorKind::kInvalid ? kExitUsage : EXIT_FAILURE;
}

/// Has SIGTERM, SIGINT and SIGHUP end the program: what is under way may be waiting for a server,
/// and may be cut off at any moment, since the copy says itself how far it has come.
class EndBySignal {
 public:
  explicit EndBySignal(const UniqueFd& stop) {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::thread([set, stop = stop.get()] {
      constexpr std::chrono::seconds kPatience{2};
      int number = 0;
      ::sigwait(&set, &number);
      const std::uint64_t one = 1;
      (void)!::write(stop, &one, sizeof one);
      std::this_thread::sleep_for(kPatience);
      ::_exit(EXIT_SUCCESS);
    }).detach();
  }
};

/// kInvalid, saying what an option must be.
Result<void> check(const Options& options) {
  constexpr std::size_t kLongestNode = 50;
  const bool is_node = !options.node.empty() && options.node.size() <= kLongestNode &&
                       std::ranges::all_of(options.node, [](char c) {
                         return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
                       });
  if (!is_node) {
    return Error{ErrorKind::kInvalid,
                 "--node: write a name of 1 to 50 of the characters a-z, 0-9 and _, which no other "
                 "machine has"};
  }
  auto password = postgres::has_password(options.upstream);
  if (!password) return password.error();
  if (*password) {
    return Error{ErrorKind::kInvalid,
                 "the upstream's URI must hold no password, which every process could read; put it "
                 "into a service file or ~/.pgpass (libpq)"};
  }
  return {};
}

/// Gives up the system calls that a follower never makes (call_filter.h). kSystem with "on" alone.
Result<void> limit_calls(const std::string& sandbox) {
  if (sandbox == "off") return {};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return Error{ErrorKind::kSystem, "cannot set no_new_privs"};
  }
  auto limited = filter_system_calls(Filtered::kFollower);
  if (limited || sandbox == "on") return limited;
  spdlog::warn("system calls are not limited: {}", limited.error().message);
  return {};
}

int run(int argc, char** argv) {
  CLI::App app(
      "Keeps a policy database of this machine like the one in PostgreSQL that it is a copy of.",
      "grantfs-follow");
  Options options;
  std::string database;
  std::string log = "stderr";
  std::string sandbox = "auto";
  app.add_option("UPSTREAM", options.upstream,
                 "The database in PostgreSQL: postgresql://USER@HOST/DATABASE, or a service")
      ->required();
  app.add_option("--db", database, "The copy: the policy database of this machine's daemons")
      ->required();
  app.add_option("--node", options.node, "This machine's name, which no other has")->required();
  app.add_option("--follow", options.follow_seconds,
                 "The longest follow= of this machine's daemons, in seconds; default: what the "
                 "daemons say")
      ->check(CLI::Range(1, 3600));
  app.add_option("--log", log, "Where log lines go: stderr (the default) or journal")
      ->check(CLI::IsMember({"stderr", "journal"}));
  app.add_option("--sandbox", sandbox,
                 "Whether to give up the system calls that a follower never makes: auto (the "
                 "default), on, or off; for experts")
      ->check(CLI::IsMember({"auto", "on", "off"}));
  app.set_version_flag("-V,--version", std::string("grantfs-follow ") + kVersion);
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer(
      "Example:\n  grantfs-follow 'postgresql:///?service=grantfs' --node web1 \\\n"
      "    --db /var/lib/grantfs/site/policy.db\n\nManual: grantfs-follow(8)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) {
      app.exit(error);
      return std::cout.flush() ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return complain({ErrorKind::kInvalid, fmt::format("{} (grantfs-follow --help)", error.what())});
  }
  options.database = std::filesystem::absolute(database);
  if (auto good = check(options); !good) return complain(good.error());

  // The hashes of tokens and the secrets of keys pass through here.
  (void)::prctl(PR_SET_DUMPABLE, 0);
  set_up_log(log == "journal" ? LogSink::kJournal : LogSink::kStderr, spdlog::level::info);
  db::install_shm_guard();
  const UniqueFd stop(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop) return complain({ErrorKind::kSystem, "cannot make an eventfd"});
  const EndBySignal ending(stop);
  if (auto limited = limit_calls(sandbox); !limited) return complain(limited.error());
  Follower follower(options, stop.get());
  auto ended = follower.run();
  if (ended) return EXIT_SUCCESS;
  spdlog::error("{}", ended.error().message);
  return ended.error().kind == ErrorKind::kInvalid ? kExitUsage : EXIT_FAILURE;
}

}  // namespace
}  // namespace grantfs::follow

int main(int argc, char** argv) {
  grantfs::hold_standard_descriptors();
  (void)::signal(SIGXFSZ, SIG_IGN);  // a write beyond RLIMIT_FSIZE then fails, and ends nobody
  try {
    return grantfs::follow::run(argc, argv);
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "grantfs-follow: %s\n", error.what());
  }
  return EXIT_FAILURE;
}
