#include <fmt/core.h>
#include <sys/prctl.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <optional>

#include "base/quote.h"
#include "base/standard_descriptors.h"
#include "grantctl/change_record.h"
#include "grantctl/commands/commands.h"
#include "grantctl/help.h"
#include "grantctl/output.h"
#include "version.h"

namespace grantctl {
namespace {

constexpr const char* kFooter =
    "PATH is relative to the store ('.' is all of it), or absolute below the store or the mount.\n"
    "PRINCIPAL is user:NAME, group:NAME, uid:N, gid:N or public; uid:alice and gid:staff are\n"
    "resolved. WHEN is 90s, 15m, 8h, 7d, an ISO 8601 time with its zone, or a day (its end).\n"
    "-- ends the options.\n"
    "\n"
    "Exit status: 0 done, 1 denied or not found, 2 usage, 3 database or daemon trouble.\n"
    "\n"
    "Example:\n"
    "  grantctl --db /var/lib/grantfs/photos/policy.db init\n"
    "  grantctl own user:1042 uploads/7f3a9c\n"
    "  grantctl check user:1042 uploads/7f3a9c/film.mp4";

/// The commands beneath a heading of the help. Headings, and the order of commands, are those of
/// the manual.
struct Group {
  const char* heading;
  std::vector<void (*)(CLI::App&, Context&)> commands;
};
const std::vector<Group> kGroups{
    {"Setting up", {add_init, add_status, add_top, add_metrics, add_help}},
    {"Rules",
     {add_own, add_grant, add_revoke, add_mv, add_drop, add_transfer, add_forget, add_prune}},
    {"Asking", {add_ls, add_who, add_check, add_usage, add_audit, add_node}},
    {"In bulk", {add_import, add_source, add_export, add_backup, add_restore, add_scan}},
    {"Groups", {add_group}},
    {"Sessions", {add_session, add_run}},
    {"Links", {add_link}},
    {"Signed URLs", {add_key, add_sign}},
    {"Web servers", {add_webconf}},
};

void declare(CLI::App& app, Context& context) {
  app.name("grantctl");
  app.require_subcommand(1);
  app.formatter(help_formatter());
  app.set_version_flag("-V,--version", std::string("grantctl ") + grantfs::kVersion,
                       "Print the version");
  app.add_option("--db", context.database_option,
                 "The policy database, or the URI of one in PostgreSQL; default: $GRANTFS_DB, "
                 "else the only /var/lib/grantfs/*/policy.db")
      ->type_name("PATH|URI");
  app.add_option("--control", context.control_option,
                 "The control socket of the one daemon that status, top and metrics ask; default: "
                 "$GRANTFS_CONTROL, else every daemon on the database")
      ->type_name("PATH");
  app.add_flag("--json", context.json, "Print the result as JSON");
  app.add_option("--by", context.by,
                 "Who wants the change, for the record of a mount with audit=; default: $SUDO_USER")
      ->type_name("NAME");
  app.add_option("--note", context.note, "Why, for that record")->type_name("TEXT");
  app.footer(kFooter);
  for (const Group& group : kGroups) {
    for (const auto add : group.commands) {
      const auto before = app.get_subcommands(nullptr).size();
      add(app, context);
      app.get_subcommands(nullptr).at(before)->group(group.heading);
    }
  }
}

/// Whether a message may repeat the argument: it is too short for a token, and has plain characters
/// only.
bool is_harmless(std::string_view argument) {
  constexpr std::size_t kTooShortForToken = 14;
  return argument.size() <= kTooShortForToken && std::ranges::all_of(argument, [](char c) {
           return (c >= 'a' && c <= 'z') || c == '-' || c == '_';
         });
}

/// The last command typed; the program if there is none.
const CLI::App& last_command(const CLI::App& app) {
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) command = command->get_subcommands().front();
  return *command;
}

/// Whether the last command typed needs another one behind it.
bool lacks_command(const CLI::App& app) {
  const CLI::App& command = last_command(app);
  return command.get_require_subcommand_min() > 0 && app.remaining(/*recurse=*/true).empty();
}

std::string no_command(const CLI::App& parent, const std::string& typed) {
  const std::string above = parent.get_parent() == nullptr ? "" : parent.get_name() + ' ';
  return fmt::format("no command '{}{}'{}", above, typed,
                     suggestion(typed, command_names(parent), above));
}

/// Describes the fault of a command line. CLI11's own words are not used where they would repeat an
/// argument, since a user may type a token there by mistake.
std::string describe(const CLI::App& app, const CLI::ParseError& error) {
  const bool repeats = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                       dynamic_cast<const CLI::ConversionError*>(&error) != nullptr ||
                       dynamic_cast<const CLI::ValidationError*>(&error) != nullptr;
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && lacks_command(app)) {
    return "a command is missing";
  }
  const std::vector<std::string> extra = app.remaining(/*recurse=*/true);
  if (extra.empty())
    return repeats ? "an argument is not of the form it should have" : error.what();
  const std::string first = extra.front().substr(0, extra.front().find('='));
  if (!is_harmless(first)) return "an argument too many, or an unknown option";
  const CLI::App& command = last_command(app);
  if (first.starts_with("--")) {
    return fmt::format("no option {} here{}", first, suggestion(first, option_names(command)));
  }
  if (first.starts_with('-')) return fmt::format("no option {} here", first);
  return command.get_require_subcommand_min() > 0
             ? no_command(command, first)
             : fmt::format("'{}' is an argument too many", first);
}

/// The command typed: "link create".
std::string command_name(const CLI::App& app) {
  std::string name;
  const CLI::App* command = &app;
  while (!command->get_subcommands().empty()) {
    command = command->get_subcommands().front();
    if (!name.empty()) name += ' ';
    name += command->get_name();
  }
  return name;
}

/// The command typed so far, which the hint names.
std::string typed_command(const CLI::App& app) {
  const std::string name = command_name(app);
  return name.empty() ? app.get_name() : app.get_name() + ' ' + name;
}

/// The first option or argument that was given an empty value, by its name in the help. Commands
/// take an empty text for "not given": `--expires ""`, from a variable that nobody set, would grant
/// for ever.
std::optional<std::string> given_empty(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (std::ranges::any_of(option->results(), &std::string::empty)) return option->get_name();
  }
  for (const CLI::App* command : app.get_subcommands()) {
    if (auto name = given_empty(*command)) return name;
  }
  return std::nullopt;
}

/// Finds an empty value written in one word, such as `--expires=`. CLI11 would take the next word
/// for the value.
std::optional<std::string> given_empty(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if (word.starts_with("--") && word.find('=') == word.size() - 1) {
      const std::string name(word.substr(0, word.size() - 1));
      return is_harmless(name) ? name : "an option";
    }
  }
  return std::nullopt;
}

/// Reports an error. A program that asked for JSON gets a document in any case; people read
/// standard error.
int fail(const grantfs::Error& error, bool json) {
  complain(error.message);
  if (json) {
    Json document;
    put_error(document, error);
    print(document);
  }
  return exit_status(error);
}

grantfs::Error usage(std::string message) {
  return {grantfs::ErrorKind::kInvalid, std::move(message)};
}

grantfs::Error empty_value(const std::string& name, const CLI::App& app) {
  return usage(fmt::format("{} is given an empty value; leave it out, or write one; see: {} --help",
                           name, typed_command(app)));
}

/// Whether --json stands among the arguments, even if the others are not understood.
bool wants_json(const std::vector<std::string>& arguments) {
  const auto end = std::ranges::find(arguments, "--");
  return std::find(arguments.begin(), end, "--json") != end;
}

/// Where the command stands, behind options of the program.
std::vector<std::string>::iterator find_command(std::vector<std::string>& arguments) {
  auto word = arguments.begin();
  while (word != arguments.end() && word->starts_with('-') && *word != "--") {
    const bool has_value =
        *word == "--db" || *word == "--control" || *word == "--by" || *word == "--note";
    word += std::min<std::ptrdiff_t>(has_value ? 2 : 1, arguments.end() - word);
  }
  return word;
}

/// Turns `help COMMAND` into `COMMAND --help`. kInvalid if there is no such command.
grantfs::Result<void> rewrite_help(const CLI::App& app, std::vector<std::string>& arguments) {
  const auto help = find_command(arguments);
  if (help == arguments.end() || *help != "help") return {};
  const CLI::App* command = &app;
  for (auto word = help + 1; word != arguments.end(); ++word) {
    if (word->starts_with('-')) continue;
    const auto found =
        command->get_subcommands([&](const CLI::App* each) { return each->get_name() == *word; });
    if (found.empty()) {
      return usage(is_harmless(*word) ? no_command(*command, *word) : "no such command");
    }
    command = found.front();
  }
  arguments.erase(help);
  arguments.emplace_back("--help");
  return {};
}

/// Takes away the words behind -- of `run`: they are another program's command line.
std::vector<std::string> take_program(std::vector<std::string>& arguments) {
  const auto word = find_command(arguments);
  if (word == arguments.end() || *word != "run") return {};
  const auto mark = std::find(word, arguments.end(), "--");
  if (mark == arguments.end()) return {};
  std::vector<std::string> program(mark + 1, arguments.end());
  arguments.erase(mark, arguments.end());
  // cppcheck-suppress invalidContainer; a copy
  return program;
}

/// The arguments in CLI11's order, last first. CLI11 would take a name like [a,b] among the PATHs
/// of a command for a list, so the name becomes ./[a,b], which is the same path.
std::vector<std::string> to_parse(std::vector<std::string> arguments) {
  constexpr std::array<std::string_view, 3> kWithPaths{"own", "grant", "revoke"};
  const auto command = find_command(arguments);
  if (command != arguments.end() && std::ranges::find(kWithPaths, *command) != kWithPaths.end()) {
    for (auto word = command + 1; word != arguments.end(); ++word) {
      if (word->starts_with('[') && word->ends_with(']')) word->insert(0, "./");
    }
  }
  std::ranges::reverse(arguments);
  return arguments;
}

/// Returns the exit status of a command that ends with `status`, once all its output is written.
int end_output(int status) {
  if (std::cout.flush()) return status;
  complain("cannot write the result to standard output");
  return kTrouble;
}

/// Prints the help or the version, as the command line asks.
int print_help(const CLI::App& app, const CLI::ParseError& error, bool json) {
  if (!json) {
    app.exit(error);
  } else if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
    Json document;
    document["version"] = grantfs::kVersion;
    print(document);
  } else {
    return fail(usage("--help is text alone; leave out --json"), json);
  }
  return end_output(kDone);
}

int run(int argc, char** argv) {
  Context context;
  CLI::App app("Administers who may read what in a private store served by grantfs.");
  declare(app, context);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool json = wants_json(arguments);
  if (auto name = given_empty(argc, argv)) return fail(empty_value(*name, app), json);
  context.program = take_program(arguments);
  if (auto fit = rewrite_help(app, arguments); !fit) {
    return fail(usage(fit.error().message + "; see: grantctl --help"), json);
  }
  const std::vector<std::string> typed = arguments;
  try {
    app.parse(to_parse(std::move(arguments)));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return print_help(app, error, json);
    }
    return fail(usage(fmt::format("{}; see: {} --help", describe(app, error), typed_command(app))),
                json);
  }
  if (auto name = given_empty(app)) return fail(empty_value(*name, app), json);
  auto status = context.run(context);
  if (!status) return fail(status.error(), context.json);
  if (*status == kDone) record_change(context, command_name(app), typed);
  return end_output(*status == kDone && context.recall_failed ? kTrouble : *status);
}

}  // namespace
}  // namespace grantctl

// NOLINTNEXTLINE(bugprone-exception-escape): no memory even to say so ends the program
int main(int argc, char** argv) {
  grantfs::hold_standard_descriptors();
  // Tokens pass through this process. So it leaves no core file, and the user's other processes
  // cannot read its memory.
  (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  try {
    return grantctl::run(argc, argv);
  } catch (const std::exception& error) {
    // Out of memory, or a mistake in this program.
    const bool json = grantctl::wants_json({argv + 1, argv + argc});
    return grantctl::fail({grantfs::ErrorKind::kSystem, error.what()}, json);
  }
}
