#include <fmt/format.h>

#include "base/quote.h"
#include "commands.h"
#include "output.h"

namespace grantctl {

using grantfs::InitOutcome;
using grantfs::Result;

namespace {

using Lines = std::vector<std::string>;

/// Every rule, link and key on the whole store, with the command that takes it away.
Result<Lines> on_the_whole_store(Context& context) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  Lines found;
  auto rules = (*admin)->rules(grantfs::StorePath(), std::nullopt);
  if (!rules) return rules.error();
  for (const grantfs::Rule& rule : *rules) {
    if (!rule.path.is_root()) continue;
    const std::string name = grantfs::escaped(rule.principal.text());
    found.push_back(
        fmt::format("{} {} the whole store; if it should not: grantctl revoke {} .", name,
                    rule.kind == grantfs::Rule::Kind::kOwner ? "owns" : "has a grant on",
                    grantfs::quoted(rule.principal.text())));
  }
  auto links = (*admin)->links(std::nullopt);
  if (!links) return links.error();
  for (const grantfs::Link& link : *links) {
    if (!link.path.is_root()) continue;
    found.push_back(
        fmt::format("a link of {} is on the whole store; if it should not be: "
                    "grantctl link rm {}",
                    grantfs::escaped(link.principal.text()), link.id.hex()));
  }
  auto keys = (*admin)->signing_keys();
  if (!keys) return keys.error();
  for (const grantfs::SigningKey& key : *keys) {
    if (!key.path.is_root()) continue;
    found.push_back(
        fmt::format("the key {0} signs for the whole store; if it should not: "
                    "grantctl key rm {0}",
                    key.id));
  }
  return found;
}

/// A blank path was the whole store before: who has it may owe that to a field left empty.
Result<Lines> warnings(Context& context, const grantfs::Initialized& done) {
  if (!done.knew_blank_paths) return Lines();
  return on_the_whole_store(context);
}

Result<int> run_init(Context& context) {
  auto database = context.database();
  if (!database) return database.error();
  auto outcome = grantfs::init_database(*database);
  if (!outcome) {
    grantfs::Error error = outcome.error();
    error.kind = grantfs::ErrorKind::kDatabase;
    return error;
  }
  auto warned = warnings(context, *outcome);
  if (!warned) return warned.error();
  for (const std::string& line : *warned) complain(line);
  const char* done = outcome->outcome == InitOutcome::kCreated    ? "created"
                     : outcome->outcome == InitOutcome::kMigrated ? "migrated"
                                                                  : "current";
  if (context.json) {
    Json document;
    put_bytes(document, "database", database->native());
    document["outcome"] = done;
    if (outcome->knew_blank_paths) document["whole_store"] = *warned;
    print(document);
  } else if (outcome->outcome == InitOutcome::kAlreadyCurrent) {
    print_line(fmt::format("{} is as it should be already", grantfs::quoted(database->native())));
  } else {
    print_line(fmt::format("{} {}", done, grantfs::quoted(database->native())));
  }
  return kDone;
}

}  // namespace

void add_init(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "init", "Create the policy database, or bring an older one up to this version",
      "  grantctl --db /var/lib/grantfs/photos/policy.db init\n"
      "  chgrp -R photos-admin /var/lib/grantfs/photos    # who administers it");
  on_run(command, context, run_init);
}

}  // namespace grantctl
