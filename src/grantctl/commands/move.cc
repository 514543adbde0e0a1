#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

// mv, drop and forget: an application calls them when a file, folder or user that rules name is
// renamed or removed.
namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::RowCounts;

namespace {

/// Has leases recalled and prints how many rules were changed. If there were none, the result is
/// "not found" with the message `none`.
int report(Context& context, std::string_view done, const RowCounts& counts,
           const std::string& none) {
  const int status = recall_and_report(context, counts, none);
  if (status == kDone && !context.json) print_line(fmt::format("{} {}", done, shown(counts)));
  return status;
}

Result<int> run_mv(Context& context, const std::string& old_text, const std::string& new_text) {
  auto from = parse_path(context, old_text);
  if (!from) return from.error();
  auto to = parse_path(context, new_text);
  if (!to) return to.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->move(*from, *to);
  if (!counts) return counts.error();
  return report(context, "moved", *counts, "");
}

Result<int> run_drop(Context& context, const std::string& text) {
  auto path = parse_path(context, text);
  if (!path) return path.error();
  if (path->is_root()) {
    return Error{ErrorKind::kInvalid,
                 "that would drop every rule of the whole store; name the folders one by one, or "
                 "make a new database"};
  }
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->drop(*path);
  if (!counts) return counts.error();
  return report(
      context, "dropped", *counts,
      fmt::format("there is no rule, link or signing key on {} or below it", quoted(shown(*path))));
}

Result<int> run_forget(Context& context, const std::string& text) {
  auto principal = parse_principal(text);
  if (!principal) return principal.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->forget(*principal);
  if (!counts) return counts.error();
  return report(context, "forgot", *counts,
                fmt::format("nothing names {}", quoted(principal->text())));
}

}  // namespace

void add_mv(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "mv",
      "A file or folder was moved: have every rule, link and signing key on it and\nbelow it "
      "follow",
      "  mv /srv/photos/incoming/7f3a9c /srv/photos/album && grantctl mv incoming/7f3a9c album");
  struct Arguments {
    std::string from;
    std::string to;
  };
  auto arguments = std::make_shared<Arguments>();
  command.add_option("OLD", arguments->from, "where it was")->required();
  command.add_option("NEW", arguments->to, "where it is; there must be no rule, link or key there")
      ->required();
  on_run(command, context,
         [arguments](Context& shared) { return run_mv(shared, arguments->from, arguments->to); });
}

void add_drop(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "drop",
      "A file or folder was deleted: delete every rule, link and signing key on it\nand below it",
      "  rm -r /srv/photos/uploads/7f3a9c && grantctl drop uploads/7f3a9c");
  auto path = std::make_shared<std::string>();
  command.add_option("PATH", *path, "where it was, in the store")->required();
  on_run(command, context, [path](Context& shared) { return run_drop(shared, *path); });
}

void add_forget(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "forget",
      "A user or group is gone: delete everything that names it (what it owns, its grants,\n"
      "memberships, sessions and links)",
      "  grantctl forget user:1042");
  auto principal = std::make_shared<std::string>();
  command.add_option("PRINCIPAL", *principal, "user:NAME, group:NAME, uid:N, ...")->required();
  on_run(command, context, [principal](Context& shared) { return run_forget(shared, *principal); });
}

}  // namespace grantctl
