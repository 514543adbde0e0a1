#include <fmt/core.h>

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
    print(to_json(*counts));
  } else {
    print_line(fmt::format("pruned {}", shown(*counts)));
  }
  return kDone;
}

}  // namespace

void add_prune(CLI::App& app, Context& context) {
  CLI::App& command =
      add_command(app, "prune", "Delete every grant, membership, session and link that has expired",
                  "  grantctl prune");
  on_run(command, context, run_prune);
}

}  // namespace grantctl
