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
inline constexpr int kDenied = 1;   ///< access denied, not found, or a conflict
inline constexpr int kUsage = 2;    ///< a wrong command line
inline constexpr int kTrouble = 3;  ///< a failure of the database, the daemon or the system

/// The exit status for an error.
int exit_status(const grantfs::Error& error);

/// The common options of all commands, and the database, policy and daemons that these options
/// name.
class Context {
 public:
  /// Runs the command: returns its exit status, or the error that it failed with.
  using Run = std::function<grantfs::Result<int>(Context&)>;

  std::string database_option;       ///< --db; empty: not given
  std::string control_option;        ///< --control; empty: not given
  std::string source_option;         ///< --source; empty: not given
  std::string by;                    ///< --by; empty: not given
  std::string note;                  ///< --note; empty: not given
  std::string made;                  ///< the id of what the command has made; empty: nothing
  bool json = false;                 ///< --json
  bool dry_run = false;              ///< --dry-run: changes are made, looked at, and undone
  std::vector<std::string> program;  ///< of `run`: the program to run, the words behind --
  Run run;                           ///< the command that was typed, once parsed

  /// The URI of a policy in PostgreSQL, if --db or the default is one; none: the policy is a
  /// database of this machine. kInvalid if --db holds a password.
  grantfs::Result<std::optional<std::string>> postgresql() const;
  /// The path of the policy database: --db, or the default. kInvalid if the policy is in
  /// PostgreSQL.
  grantfs::Result<std::filesystem::path> database() const;
  /// Opens the database for changes. Every failure is kDatabase.
  grantfs::Result<std::unique_ptr<grantfs::Admin>> open_admin() const;
  /// Opens the database for decisions, with the policy source that --source names. Without
  /// --source, the source is that of a daemon on the database.
  grantfs::Result<std::unique_ptr<grantfs::Policy>> open_policy();
  /// Policy::explain() by open_policy(), or in PostgreSQL. Every failure is kDatabase.
  grantfs::Result<grantfs::Explanation> explain(const grantfs::Identity& identity,
                                                const grantfs::StorePath& path);

  /// The control socket named by --control or $GRANTFS_CONTROL.
  std::optional<std::filesystem::path> control() const;
  /// The daemons on the database. They are searched for once. None of a policy in PostgreSQL.
  grantfs::Result<grantfs::DaemonSearch> daemons();
  /// The daemon at the control socket if one is named, else all daemons on the database; kSystem if
  /// there is none. Daemons that could not be asked are reported on standard error.
  grantfs::Result<std::vector<grantfs::DaemonStatus>> running_daemons();
  /// Whether running_daemons() may have left out a daemon.
  bool some_are_silent() const { return !control() && daemons_ && !daemons_->troubles.empty(); }

  /// Whether nobody knows if a change that was committed counts everywhere: then the exit status is
  /// kTrouble.
  bool recall_failed = false;

 private:
  grantfs::Result<grantfs::DaemonStatus> named_daemon(const std::filesystem::path& socket) const;
  grantfs::Result<std::optional<grantfs::SourceConfig>> source();

  std::optional<grantfs::DaemonSearch> daemons_;
};

/// Adds a command by the conventions of all commands. Options of the program may follow it, and its
/// help ends with examples.
CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& examples);

/// Sets the function that the command runs once the whole command line has been read.
void on_run(CLI::App& command, Context& context, Context::Run run);

}  // namespace grantctl
