#include <fmt/core.h>

#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::Result;

namespace {

Result<int> run_prune(Context& context) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->prune();
  if (!counts) return counts.error();
  if (context.json) {
    Json document = to_json(*counts);
    if (context.dry_run) document["dry_run"] = true;
    print(document);
  } else {
    print_line(fmt::format("{}pruned {}", context.dry_run ? "would have " : "", shown(*counts)));
  }
  return kDone;
}

}  // namespace

void add_prune(CLI::App& app, Context& context) {
  CLI::App& command =
      add_command(app, "prune", "Delete every grant, membership, session and link that has expired",
                  "  grantctl prune");
  add_dry_run(command, context);
  on_run(command, context, run_prune);
}

}  // namespace grantctl
