#include "grantctl/commands/commands.h"

namespace grantctl {

// `help COMMAND` becomes `COMMAND --help` before the command line is parsed (main.cc); this is for
// the list of commands, and for `help --help`.
void add_help(CLI::App& app, Context& context) {
  CLI::App& command = add_command(app, "help", "Print help on a command",
                                  "  grantctl help grant\n"
                                  "  grantctl help link create");
  auto words = std::make_shared<std::vector<std::string>>();
  command.add_option("COMMAND", *words, "the command");
  on_run(command, context, [words](Context&) -> grantfs::Result<int> { return kDone; });
}

}  // namespace grantctl
