#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::Result;

namespace {

struct LsArguments {
  std::string holder;
  std::optional<std::string> path;
};

Result<int> run_ls(Context& context, const LsArguments& arguments) {
  auto holder = parse_holder(arguments.holder);
  if (!holder) return holder.error();
  grantfs::StorePath path;
  if (arguments.path) {
    auto parsed = parse_path(context, *arguments.path);
    if (!parsed) return parsed.error();
    path = std::move(*parsed);
  }
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto rules = (*admin)->rules(path, *holder);
  if (!rules) return rules.error();

  const auto now = grantfs::system_now();
  if (context.json) {
    Json document;
    document["rules"] = Json::array();
    for (const grantfs::Rule& rule : *rules) document["rules"].push_back(to_json(rule, now));
    print(document);
    return kDone;
  }
  Table table({"PATH", "PRINCIPAL", "RIGHT", "EXPIRES"});
  for (const grantfs::Rule& rule : *rules) {
    table.add({shown(rule.path), rule.principal.text(),
               rule.kind == grantfs::Rule::Kind::kOwner ? "own" : "read",
               shown(rule.expires, now)});
  }
  table.print();
  return kDone;
}

}  // namespace

void add_ls(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "ls",
      "Who has what: every rule, or those on a path, below it, and on the folders above it",
      "  grantctl ls\n"
      "  grantctl ls uploads/7f3a9c\n"
      "  grantctl ls --for user:1042");
  auto arguments = std::make_shared<LsArguments>();
  command
      .add_option("--for", arguments->holder,
                  "only rules that let this principal in, by its groups too")
      ->type_name("PRINCIPAL");
  command.add_option("PATH", arguments->path, "in the store");
  on_run(command, context, [arguments](Context& shared) { return run_ls(shared, *arguments); });
}

}  // namespace grantctl
