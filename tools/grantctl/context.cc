#include "context.h"

#include <fmt/format.h>

#include <cstdlib>

#include "grantfs/default_database.h"
#include "output.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

/// That a database is missing or badly kept is trouble with the database, not with the request.
Error database_trouble(Error error) {
  error.kind = ErrorKind::kDatabase;
  return error;
}

}  // namespace

int exit_status(const Error& error) {
  switch (error.kind) {
    case ErrorKind::kInvalid:
      return kUsage;
    case ErrorKind::kNotFound:
    case ErrorKind::kConflict:
      return kDenied;
    case ErrorKind::kDatabase:
    case ErrorKind::kSystem:
      break;
  }
  return kTrouble;
}

Result<std::filesystem::path> Context::database() const {
  if (!database_option.empty()) return std::filesystem::path(database_option);
  auto found = grantfs::default_database();
  if (!found) return database_trouble(found.error());
  return found;
}

Result<std::unique_ptr<grantfs::Admin>> Context::open_admin() const {
  auto path = database();
  if (!path) return path.error();
  auto admin = grantfs::Admin::open(*path);
  if (!admin) return database_trouble(admin.error());
  return admin;
}

Result<std::optional<grantfs::SourceConfig>> Context::source() {
  std::filesystem::path file = source_option;
  if (file.empty()) {
    auto search = daemons();
    if (!search) return search.error();
    for (const grantfs::DaemonStatus& daemon : search->found) {
      if (file.empty()) file = daemon.source;
    }
  }
  if (file.empty()) return std::optional<grantfs::SourceConfig>();
  auto config = grantfs::read_source_config(file);
  if (!config) return config.error();
  return std::optional(std::move(*config));
}

Result<std::unique_ptr<grantfs::Policy>> Context::open_policy() {
  auto path = database();
  if (!path) return path.error();
  grantfs::PolicyOptions options;
  options.database = *path;
  auto asked_besides = source();
  if (!asked_besides) return database_trouble(asked_besides.error());
  options.source = std::move(*asked_besides);
  options.busy_timeout = std::chrono::seconds{5};
  auto policy = grantfs::Policy::open(std::move(options));
  if (!policy) return database_trouble(policy.error());
  return policy;
}

std::optional<std::filesystem::path> Context::control() const {
  if (!control_option.empty()) return std::filesystem::path(control_option);
  const char* named = std::getenv("GRANTFS_CONTROL");
  if (named != nullptr && *named != '\0') return std::filesystem::path(named);
  return std::nullopt;
}

Result<grantfs::DaemonSearch> Context::daemons() {
  if (!daemons_) {
    auto path = database();
    if (!path) return path.error();
    daemons_ = grantfs::find_daemons(*path, control());
  }
  return *daemons_;
}

Result<std::vector<grantfs::DaemonStatus>> Context::running_daemons() {
  const auto named = control();
  if (named && database_option.empty()) {
    auto status = grantfs::ask_status(*named);
    if (!status) return Error{ErrorKind::kSystem, status.error().message};
    return std::vector<grantfs::DaemonStatus>{std::move(*status)};
  }
  auto search = daemons();
  if (!search) return search.error();
  for (const std::string& trouble : search->troubles) complain(trouble);
  if (search->found.empty()) {
    return Error{ErrorKind::kSystem,
                 fmt::format("no daemon answers for {}; start it with: grantfs STORE MOUNTPOINT "
                             "-o db={}",
                             database()->string(), database()->string())};
  }
  return std::move(search->found);
}

CLI::App& add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& examples) {
  CLI::App* command = parent.add_subcommand(name, description);
  command->fallthrough();
  command->footer("Example:\n" + examples);
  return *command;
}

void on_run(CLI::App& command, Context& context, Context::Run run) {
  command.callback([&context, run = std::move(run)] { context.run = run; });
}

}  // namespace grantctl
