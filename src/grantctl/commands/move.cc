#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

// mv, drop, transfer and forget: an application calls them when a file, folder or user that rules
// name is renamed or removed.
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
  if (status == kDone && !context.json) {
    print_line(fmt::format("{}{} {}", context.dry_run ? "would have " : "", done, shown(counts)));
  }
  return status;
}

/// Runs `change(admin)`, which returns RowCounts, and reports. On a terminal it asks first, with
/// what the change would do; `question` says "forget user:a".
template <class Change>
Result<int> change_if_confirmed(Context& context, bool yes, const std::string& question,
                                std::string_view done, const std::string& none, Change change) {
  if (!context.dry_run && asks(yes)) {
    context.dry_run = true;
    auto rehearsal = context.open_admin();
    context.dry_run = false;
    if (!rehearsal) return rehearsal.error();
    auto counts = change(**rehearsal);
    if (!counts) return counts.error();
    if (counts->total() > 0 && !confirm(fmt::format("{}: {}", question, shown(*counts)))) {
      complain("nothing was changed");
      return kDenied;
    }
  }
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = change(**admin);
  if (!counts) return counts.error();
  return report(context, done, *counts, none);
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

Result<int> run_drop(Context& context, const std::string& text, bool yes) {
  auto path = parse_path(context, text);
  if (!path) return path.error();
  if (path->is_root()) {
    return Error{ErrorKind::kInvalid,
                 "that would drop every rule of the whole store; name the folders one by one, or "
                 "make a new database"};
  }
  return change_if_confirmed(
      context, yes, fmt::format("drop {}", quoted(shown(*path))), "dropped",
      fmt::format("there is no rule, link or signing key on {} or below it{}", quoted(shown(*path)),
                  pattern_hint(*path)),
      [&](grantfs::Admin& admin) { return admin.drop(*path); });
}

struct TransferArguments {
  std::string from;
  std::string to;
  bool links = false;
  bool yes = false;
};

/// Says of the links and sessions that stay that they stay.
Result<void> note_what_stays(Context& context, const grantfs::Principal& from, bool links) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto sessions = (*admin)->sessions(from);
  if (!sessions) return sessions.error();
  if (!sessions->empty()) {
    complain(
        fmt::format("note: {0} keeps its sessions ({1}), which open what it still has; to end "
                    "them: grantctl session rm --for {0}",
                    grantfs::escaped(from.text()), sessions->size()));
  }
  if (links) return {};
  auto kept = (*admin)->links(from);
  if (!kept) return kept.error();
  if (!kept->empty()) {
    complain(
        fmt::format("note: {} keeps its links ({}), which open what it still has; with "
                    "--links they rest on the right of the other",
                    grantfs::escaped(from.text()), kept->size()));
  }
  return {};
}

Result<int> run_transfer(Context& context, const TransferArguments& arguments) {
  auto from = parse_principal(arguments.from);
  if (!from) return from.error();
  auto to = parse_principal(arguments.to);
  if (!to) return to.error();
  const auto links = arguments.links ? grantfs::TransferLinks::kYes : grantfs::TransferLinks::kNo;
  auto status = change_if_confirmed(
      context, arguments.yes,
      fmt::format("transfer from {} to {}", quoted(from->text()), quoted(to->text())),
      "transferred",
      fmt::format("{} owns nothing, and has no grant and no membership", quoted(from->text())),
      [&](grantfs::Admin& admin) { return admin.transfer(*from, *to, links); });
  if (!status || *status != kDone) return status;
  if (auto noted = note_what_stays(context, *from, arguments.links); !noted) return noted.error();
  return status;
}

Result<int> run_forget(Context& context, const std::string& text, bool yes) {
  auto principal = parse_principal(text);
  if (!principal) return principal.error();
  return change_if_confirmed(context, yes, fmt::format("forget {}", quoted(principal->text())),
                             "forgotten",
                             fmt::format("nothing names {}", quoted(principal->text())),
                             [&](grantfs::Admin& admin) { return admin.forget(*principal); });
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
  add_dry_run(command, context);
  on_run(command, context,
         [arguments](Context& shared) { return run_mv(shared, arguments->from, arguments->to); });
}

void add_drop(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "drop",
      "A file or folder was deleted: delete every rule, link and signing key on it\nand below it",
      "  rm -r /srv/photos/uploads/7f3a9c && grantctl drop uploads/7f3a9c");
  struct Arguments {
    std::string path;
    bool yes = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command.add_option("PATH", arguments->path, "where it was, in the store")->required();
  add_dry_run(command, context);
  add_yes(command, arguments->yes);
  on_run(command, context, [arguments](Context& shared) {
    return run_drop(shared, arguments->path, arguments->yes);
  });
}

void add_transfer(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "transfer",
      "Give another principal all that one has: what it owns, its grants and its memberships",
      "  grantctl transfer --dry-run user:1042 user:2077\n"
      "  grantctl transfer user:1042 user:2077 && grantctl forget user:1042");
  auto arguments = std::make_shared<TransferArguments>();
  command.add_option("OLD", arguments->from, "who has it: user:NAME, group:NAME, uid:N, ...")
      ->required();
  command.add_option("NEW", arguments->to, "who gets it")->required();
  command.add_flag("--links", arguments->links,
                   "its links, too: from then on they rest on the right of NEW");
  add_dry_run(command, context);
  add_yes(command, arguments->yes);
  on_run(command, context,
         [arguments](Context& shared) { return run_transfer(shared, *arguments); });
}

void add_forget(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "forget",
      "A user or group is gone: delete everything that names it (what it owns, its grants,\n"
      "memberships, sessions and links)",
      "  grantctl forget --dry-run user:1042\n"
      "  grantctl forget user:1042");
  struct Arguments {
    std::string principal;
    bool yes = false;
  };
  auto arguments = std::make_shared<Arguments>();
  command.add_option("PRINCIPAL", arguments->principal, "user:NAME, group:NAME, uid:N, ...")
      ->required();
  add_dry_run(command, context);
  add_yes(command, arguments->yes);
  on_run(command, context, [arguments](Context& shared) {
    return run_forget(shared, arguments->principal, arguments->yes);
  });
}

}  // namespace grantctl
