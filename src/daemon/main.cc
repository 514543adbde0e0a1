#include <fmt/core.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGXFSZ is not C's

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/quiet_thread.h"
#include "base/quote.h"
#include "base/standard_descriptors.h"
#include "daemon/background.h"
#include "daemon/control_path.h"
#include "daemon/daemon.h"
#include "daemon/handover.h"
#include "daemon/options.h"
#include "daemon/preflight.h"
#include "daemon/privileges.h"
#include "grantfs/default_database.h"
#include "privileged/mount_helper.h"
#include "sandbox/call_filter.h"
#include "version.h"

namespace grantfs {
namespace {

constexpr int kExitUsage = 2;

struct CommandLine {
  std::string store;
  std::string mountpoint;
  std::vector<std::string> options;
  bool foreground = false;
};

int complain(const Error& error) {
  fmt::print(stderr, "grantfs: {}\n", printable(shortened(error.message)));
  return error.kind == ErrorKind::kInvalid ? kExitUsage : EXIT_FAILURE;
}

/// Prints the help or the version, as the command line asks.
int print_help(const CLI::App& app, const CLI::ParseError& error) {
  app.exit(error);
  if (std::cout.flush()) return EXIT_SUCCESS;
  return complain({ErrorKind::kSystem, "cannot write to standard output"});
}

/// Runs the daemon to its end, and `helper` to its own. Failures that the daemon cannot go on after
/// (no threads, no memory) become errors.
Result<void> live(const MountPlan& plan, const MountOptions& options, Background& background,
                  MountHelper helper) {
  try {
    return serve(plan, options, background, helper);
  } catch (const std::bad_alloc&) {
    return Error{ErrorKind::kSystem,
                 fmt::format("out of memory; is there a limit on {}?", kLimits)};
  } catch (const std::exception& error) {
    return Error{ErrorKind::kSystem, error.what()};
  }
}

int run(const CommandLine& line) {
  auto options = parse_mount_options(fmt::format("{}", fmt::join(line.options, ",")));
  if (!options) return complain(options.error());
  if (!options->database) {
    auto found = default_database();
    if (!found) return complain(found.error());
    options->database = *found;
  }
  const LogSink sink = options->log.value_or(line.foreground ? LogSink::kStderr : LogSink::kSyslog);
  if (sink == LogSink::kStderr && !line.foreground) {
    return complain({ErrorKind::kInvalid,
                     "option log=stderr: a daemon in the background has no standard error; add -f, "
                     "or write log=syslog or log=journal"});
  }
  auto plan = plan_mount(line.store, line.mountpoint, *options->database,
                         options->handover ? Expected::kServing : Expected::kNothing);
  if (!plan) return complain(plan.error());
  if (options->handover) {
    auto predecessor =
        find_predecessor(*plan, options->control.value_or(default_control_path(plan->mountpoint)));
    if (!predecessor) return complain(predecessor.error());
    plan->predecessor = *predecessor;
  }
  if (options->source) {
    auto source = read_source_config(*options->source);
    if (!source) return complain(source.error());
    if (auto outside = check_source(*plan, source->database); !outside) {
      return complain(outside.error());
    }
    plan->source = std::move(*source);
  }
  if (auto may = check_may_mount(); !may) return complain(may.error());

  const std::string open_store = store_open_to_others(plan->store);
  if (!open_store.empty() && sink != LogSink::kStderr) {
    fmt::print(stderr, "grantfs: warning: {}\n", open_store);
  }

  Background background;
  if (!line.foreground) {
    auto forked = Background::fork(options->handover ? Background::Systemd::kToldByParent
                                                     : Background::Systemd::kToldByChild);
    if (!forked) return complain(forked.error());
    background = std::move(*forked);
  }
  // From here on this process is the one that stays, in the foreground or forked.
  set_up_log(sink, options->log_level);
  if (!open_store.empty()) spdlog::warn("{}", open_store);
  if (auto cleared = clear_environment(plan->database.parent_path()); !cleared) {
    return complain(cleared.error());
  }
  auto helper = MountHelper::start(plan->mountpoint);
  if (!helper) return complain(helper.error());
  if (auto dropped = drop_privileges(); !dropped) return complain(dropped.error());
  auto served = live(*plan, *options, background, std::move(*helper));
  log_refused_calls();  // those of the end
  if (served) return EXIT_SUCCESS;
  spdlog::error("{}", served.error().message);
  // The error goes to standard error too, unless the log above has gone there.
  if (sink != LogSink::kStderr) return complain(served.error());
  return served.error().kind == ErrorKind::kInvalid ? kExitUsage : EXIT_FAILURE;
}

int run(int argc, char** argv) {
  CLI::App app(
      "Mounts a private directory as a tree in which a path exists only for whoever owns the file "
      "or holds a grant on it.",
      "grantfs");
  CommandLine line;
  app.add_option("STORE", line.store, "The directory of private files")->required();
  app.add_option("MOUNTPOINT", line.mountpoint, "An empty directory")->required();
  app.add_option("-o", line.options, "Mount options, separated by commas; see below")
      ->type_name("OPTION[,OPTION...]")
      ->allow_extra_args(false);  // the remaining words are STORE and MOUNTPOINT, or -f
  app.add_flag("-f", line.foreground, "Stay in the foreground");
  app.set_version_flag("-V,--version", std::string("grantfs ") + kVersion);
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.footer("Mount options:\n" + describe_mount_options() +
             "\nExample:\n  grantfs /srv/private /srv/files -o db=/var/lib/grantfs/site/policy.db\n"
             "\nManual: grantfs(8); granting: grantctl(8); the concepts: grantfs(7)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return print_help(app, error);
    fmt::print(stderr, "grantfs: {} (grantfs --help)\n", printable(shortened(error.what())));
    return kExitUsage;
  }
  return run(line);
}

}  // namespace
}  // namespace grantfs

int main(int argc, char** argv) {
  grantfs::hold_standard_descriptors();
  (void)::signal(SIGXFSZ, SIG_IGN);  // a write beyond RLIMIT_FSIZE then fails, and ends nobody
  try {
    return grantfs::run(argc, argv);
  } catch (const std::bad_alloc&) {
    (void)std::fprintf(stderr, "grantfs: out of memory; is there a limit on %s?\n",
                       grantfs::kLimits);
  } catch (const std::exception& error) {
    (void)std::fprintf(stderr, "grantfs: %s\n", error.what());
  }
  return EXIT_FAILURE;
}
