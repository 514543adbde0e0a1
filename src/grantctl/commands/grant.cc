#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"
#include "grantctl/store_probe.h"

namespace grantctl {

using grantfs::Result;

namespace {

struct GrantArguments {
  std::string principal;
  std::vector<std::string> paths;
  std::string expires;
  bool literal = false;
  bool recursive = false;  ///< every grant is
};

Result<int> run_grant(Context& context, const GrantArguments& arguments) {
  auto principal = parse_principal(arguments.principal);
  if (!principal) return principal.error();
  auto paths = parse_paths(context, arguments.paths);
  if (!paths) return paths.error();
  auto expires = parse_expires(arguments.expires);
  if (!expires) return expires.error();
  if (auto fit = refuse_patterns(context, *paths, arguments.literal); !fit) return fit.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  if (auto done = (*admin)->grant(*principal, *paths, *expires); !done) return done.error();
  // The new grant may end earlier than the one that it replaces. A grant without an end takes
  // nothing away.
  Json recall;
  if (*expires) recall = recall_leases(context, WithoutDaemon::kBeQuiet);
  note_absent(context, *paths);
  if (context.json) {
    const auto now = grantfs::system_now();
    Json document;
    document["granted"] = Json::array();
    for (const grantfs::StorePath& path : *paths) {
      document["granted"].push_back(
          to_json(grantfs::Rule{grantfs::Rule::Kind::kGrant, *principal, path, *expires}, now));
    }
    document["recall"] = std::move(recall);
    print(document);
  }
  return kDone;
}

}  // namespace

void add_grant(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "grant", "Give a principal read access to files, or to folders and all below them",
      "  grantctl grant group:staff reports/2024\n"
      "  grantctl grant user:1042 uploads/7f3a9c/film.mp4 --expires 7d\n"
      "  grantctl grant public logo.png --expires 2030-01-31T12:00:00Z");
  auto arguments = std::make_shared<GrantArguments>();
  command.add_option("PRINCIPAL", arguments->principal, "user:NAME, group:NAME, uid:N, ...")
      ->required();
  command.add_option("PATH", arguments->paths, "in the store")->required();
  add_expires(command, arguments->expires);
  add_literal(command, arguments->literal);
  command.add_flag("-r,--recursive", arguments->recursive,
                   "changes nothing: a grant on a folder covers all below it in any case");
  on_run(command, context, [arguments](Context& shared) { return run_grant(shared, *arguments); });
}

}  // namespace grantctl
