#include <fmt/format.h>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/whole_store.h"

namespace grantctl {

using grantfs::InitOutcome;
using grantfs::Result;

namespace {

Result<int> run_init(Context& context) {
  auto database = context.database();
  if (!database) return database.error();
  auto outcome = grantfs::init_database(*database);
  if (!outcome) {
    grantfs::Error error = outcome.error();
    error.kind = grantfs::ErrorKind::kDatabase;
    return error;
  }
  std::vector<std::string> warned;
  if (outcome->knew_blank_paths) {
    auto found = warn_of_whole_store(context);
    if (!found) return found.error();
    warned = std::move(*found);
  }
  const char* done = outcome->outcome == InitOutcome::kCreated    ? "created"
                     : outcome->outcome == InitOutcome::kMigrated ? "migrated"
                                                                  : "current";
  if (context.json) {
    Json document;
    put_bytes(document, "database", database->native());
    document["outcome"] = done;
    if (outcome->knew_blank_paths) document["whole_store"] = warned;
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
