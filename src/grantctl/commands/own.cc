#include <fmt/core.h>

#include <algorithm>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"
#include "grantctl/store_probe.h"

namespace grantctl {

using grantfs::Result;

namespace {

struct OwnArguments {
  std::string principal;
  std::vector<std::string> paths;
  bool literal = false;
  bool recursive = false;  ///< every ownership is
};

Result<int> run_own(Context& context, const OwnArguments& arguments) {
  auto principal = parse_principal(arguments.principal);
  if (!principal) return principal.error();
  auto parsed = parse_paths(context, arguments.paths);
  if (!parsed) return parsed.error();
  const std::vector<grantfs::StorePath>& paths = *parsed;
  if (auto fit = refuse_patterns(context, paths, arguments.literal); !fit) return fit.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto displaced = (*admin)->own(*principal, paths);
  if (!displaced) return displaced.error();
  // Only a displaced owner loses access.
  const bool taken = std::ranges::any_of(*displaced, [](const auto& owner) { return !!owner; });
  Json recall;
  if (taken) recall = recall_leases(context);
  note_absent(context, paths);

  Json owned = Json::array();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    const auto& previous = displaced->at(i);
    if (context.json) {
      Json entry;
      put_bytes(entry, "path", paths[i].spelling());
      entry["displaced"] = nullptr;
      if (previous) put_bytes(entry, "displaced", previous->text());
      owned.push_back(std::move(entry));
    } else if (previous) {
      print_line(fmt::format("{} was owned by {}", grantfs::quoted(shown(paths[i])),
                             grantfs::quoted(previous->text())));
    }
  }
  if (context.json) {
    Json document;
    put_bytes(document, "principal", principal->text());
    document["owned"] = std::move(owned);
    document["recall"] = std::move(recall);
    print(document);
  }
  return kDone;
}

}  // namespace

void add_own(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "own", "Make a principal the owner of files or folders, in place of any owner",
      "  grantctl own user:1042 uploads/7f3a9c uploads/81b2d0\n"
      "  grantctl own uid:alice home/alice");
  auto arguments = std::make_shared<OwnArguments>();
  command.add_option("PRINCIPAL", arguments->principal, "user:NAME, group:NAME, uid:N, ...")
      ->required();
  command.add_option("PATH", arguments->paths, "in the store; a folder with all below it")
      ->required();
  add_literal(command, arguments->literal);
  command.add_flag("-r,--recursive", arguments->recursive,
                   "changes nothing: who owns a folder owns all below it in any case");
  on_run(command, context, [arguments](Context& shared) { return run_own(shared, *arguments); });
}

}  // namespace grantctl
