#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/client.h"
#include "grantfs/admin.h"
#include "grantfs/policy.h"
#include "grantfs/result.h"

namespace grantctl {

/// Exit statuses.
inline constexpr int kDone = 0;
inline constexpr int kDenied = 1;   ///< denied, not found, or in the way
inline constexpr int kUsage = 2;    ///< what was typed
inline constexpr int kTrouble = 3;  ///< the database, the daemon, the system

/// The status that an error ends with.
int exit_status(const grantfs::Error& error);

/// What every command works with: the options that all of them share, and what those lead to.
class Context {
 public:
  /// Exit status of the command, or why it failed.
  using Run = std::function<grantfs::Result<int>(Context&)>;

  std::string database_option;       ///< --db; empty: not given
  std::string control_option;        ///< --control; empty: not given
  std::string source_option;         ///< --source; empty: not given
  bool json = false;                 ///< --json
  std::vector<std::string> program;  ///< of `run`: what to run, the words behind --
  Run run;                           ///< the command that was typed, once parsed

  /// The policy database meant: --db, or the default.
  grantfs::Result<std::filesystem::path> database() const;
  /// It, open. Whatever is wrong with it is kDatabase.
  grantfs::Result<std::unique_ptr<grantfs::Admin>> open_admin() const;
  /// It, with the source that --source names, or else a daemon on it.
  grantfs::Result<std::unique_ptr<grantfs::Policy>> open_policy();

  /// The control socket named by --control or $GRANTFS_CONTROL.
  std::optional<std::filesystem::path> control() const;
  /// The daemons on the database; asked once.
  grantfs::Result<grantfs::DaemonSearch> daemons();
  /// The daemon at the control socket if one is named, else all those on the database; kSystem if
  /// there is none. What stands in the way of asking others is said on standard error.
  grantfs::Result<std::vector<grantfs::DaemonStatus>> running_daemons();
  /// Whether it may have left any out.
  bool some_are_silent() const { return !control() && daemons_ && !daemons_->troubles.empty(); }

 private:
  grantfs::Result<grantfs::DaemonStatus> named_daemon(const std::filesystem::path& socket) const;
  grantfs::Result<std::optional<grantfs::SourceConfig>> source();

  std::optional<grantfs::DaemonSearch> daemons_;
};

/// Adds a command with the conventions of all: options of the program may follow it, and its help
/// ends with examples.
CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& examples);

/// What the command does once the whole command line has been read.
void on_run(CLI::App& command, Context& context, Context::Run run);

}  // namespace grantctl
