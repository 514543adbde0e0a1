#include "grantctl/context.h"

#include <fmt/core.h>

#include <cstdlib>

#include "grantctl/output.h"
#include "grantfs/default_database.h"
#include "grantfs/postgresql.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Result;

namespace {

/// The database that a symbolic link leads to: that database's directory is the one that must be
/// closed to others.
std::filesystem::path behind_links(const std::filesystem::path& database) {
  std::error_code error;
  if (!std::filesystem::is_symlink(database, error)) return database;
  auto real = std::filesystem::canonical(database, error);
  return error ? database : real;
}

/// Whether both paths are one database. If the file is gone, while the daemon still has it open,
/// the names decide.
bool is_same_database(const std::filesystem::path& given, const std::filesystem::path& known) {
  std::error_code error;
  if (std::filesystem::equivalent(given, known, error)) return true;
  return error && std::filesystem::weakly_canonical(given, error) == known;
}

/// The error as trouble with the database: a missing or badly kept database is no fault of the
/// request.
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

Result<std::optional<std::string>> Context::postgresql() const {
  using Uri = std::optional<std::string>;
  if (!database_option.empty()) {
    if (!grantfs::is_postgresql(database_option)) return Uri();
    if (auto fit = grantfs::check_names_no_password(database_option); !fit) return fit.error();
    return Uri(database_option);
  }
  const char* named = std::getenv("GRANTFS_DB");
  if (named != nullptr && grantfs::is_postgresql(named)) return Uri(named);
  return Uri();
}

Result<std::filesystem::path> Context::database() const {
  auto uri = postgresql();
  if (!uri) return uri.error();
  if (*uri) {
    return Error{ErrorKind::kInvalid,
                 "this is about a policy database of this machine, and --db or $GRANTFS_DB names "
                 "one in PostgreSQL; on a node, name its copy with --db PATH"};
  }
  if (!database_option.empty()) return behind_links(database_option);
  auto found = grantfs::default_database();
  if (!found) return database_trouble(found.error());
  return behind_links(*found);
}

Result<std::unique_ptr<grantfs::Admin>> Context::open_admin() const {
  auto uri = postgresql();
  if (!uri) return uri.error();
  std::filesystem::path path;
  if (!*uri) {
    auto found = database();
    if (!found) return found.error();
    path = std::move(*found);
  }
  auto admin = *uri ? grantfs::Admin::open_postgresql(**uri) : grantfs::Admin::open(path);
  if (!admin) return database_trouble(admin.error());
  if (dry_run) (*admin)->rehearse();
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

Result<grantfs::Explanation> Context::explain(const grantfs::Identity& identity,
                                              const grantfs::StorePath& path) {
  auto uri = postgresql();
  if (!uri) return uri.error();
  if (*uri) {
    if (!source_option.empty()) {
      return Error{ErrorKind::kInvalid,
                   "--source goes with a policy database of this machine; on a node, name its copy "
                   "with --db PATH"};
    }
    auto explanation = grantfs::explain_in_postgresql(**uri, identity, path);
    if (!explanation) return database_trouble(explanation.error());
    return explanation;
  }
  auto policy = open_policy();
  if (!policy) return policy.error();
  return (*policy)->explain(identity, path);
}

std::optional<std::filesystem::path> Context::control() const {
  if (!control_option.empty()) return std::filesystem::path(control_option);
  const char* named = std::getenv("GRANTFS_CONTROL");
  if (named != nullptr && *named != '\0') return std::filesystem::path(named);
  return std::nullopt;
}

Result<grantfs::DaemonSearch> Context::daemons() {
  if (!daemons_) {
    auto uri = postgresql();
    if (!uri) return uri.error();
    if (*uri) return grantfs::DaemonSearch();
    auto path = database();
    if (!path) return path.error();
    daemons_ = grantfs::find_daemons(*path);
  }
  return *daemons_;
}

Result<grantfs::DaemonStatus> Context::named_daemon(const std::filesystem::path& socket) const {
  auto status = grantfs::ask_status(socket);
  if (!status) return Error{ErrorKind::kSystem, status.error().message};
  if (!database_option.empty() && !is_same_database(database_option, status->database)) {
    return Error{ErrorKind::kSystem,
                 fmt::format("the daemon at {} decides by {}, not by {}; leave out --db, or "
                             "--control",
                             socket.string(), status->database.string(), database_option)};
  }
  return status;
}

Result<std::vector<grantfs::DaemonStatus>> Context::running_daemons() {
  if (const auto named = control()) {
    auto status = named_daemon(*named);
    if (!status) return status.error();
    return std::vector<grantfs::DaemonStatus>{std::move(*status)};
  }
  auto path = database();
  if (!path) return path.error();
  auto search = daemons();
  if (!search) return search.error();
  if (search->found.empty() && search->troubles.empty()) {
    return Error{ErrorKind::kSystem,
                 fmt::format("no daemon runs on {}; start it with: grantfs STORE MOUNTPOINT "
                             "-o db={}",
                             path->string(), path->string())};
  }
  std::vector<std::string>& troubles = search->troubles;
  std::optional<Error> last;
  if (search->found.empty()) {
    last = Error{ErrorKind::kSystem, std::move(troubles.back())};
    troubles.pop_back();
  }
  for (const std::string& trouble : troubles) complain(trouble);
  if (last) return std::move(*last);
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
