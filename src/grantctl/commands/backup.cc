#include "grantfs/backup.h"

#include <fmt/core.h>

#include <memory>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"
#include "grantctl/whole_store.h"

namespace grantctl {

using grantfs::quoted;
using grantfs::Result;

namespace {

Result<int> run_backup(Context& context, const std::string& file) {
  auto database = context.database();
  if (!database) return database.error();
  if (auto done = grantfs::backup_database(*database, file); !done) return done.error();
  if (context.json) {
    Json document;
    put_bytes(document, "database", database->native());
    put_bytes(document, "file", file);
    print(document);
  } else {
    print_line(fmt::format("backed up {} to {}", quoted(database->native()), quoted(file)));
  }
  return kDone;
}

Result<int> run_restore(Context& context, const std::string& file) {
  auto database = context.database();
  if (!database) return database.error();
  auto restored = grantfs::restore_database(*database, file);
  if (!restored) return restored.error();
  const Json recalled = recall_leases(context);
  std::vector<std::string> warned;
  if (restored->knew_blank_paths) {
    // The policy is restored even if this check fails.
    if (auto found = warn_of_whole_store(context)) {
      warned = std::move(*found);
    } else {
      complain(found.error().message);
    }
  }
  if (context.json) {
    Json document;
    put_bytes(document, "database", database->native());
    put_bytes(document, "file", file);
    document["rows"] = to_json(restored->rows);
    document["migrations"] = restored->migrations;
    if (restored->knew_blank_paths) document["whole_store"] = warned;
    document["recall"] = recalled;
    print(document);
    return kDone;
  }
  print_line(fmt::format("{} is what it was in {} again: {}{}", quoted(database->native()),
                         quoted(file), shown(restored->rows),
                         restored->migrations > 0 ? "; migrated to this program's schema" : ""));
  return kDone;
}

}  // namespace

void add_backup(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "backup",
      "Copy the policy database as of now into one file, whatever others write meanwhile;\n"
      "it holds the secrets of signing keys and the hashes of tokens",
      "  grantctl backup /var/backups/photos.db");
  auto file = std::make_shared<std::string>();
  command.add_option("FILE", *file, "in the place of any file of that name, with mode 0600")
      ->required();
  on_run(command, context, [file](Context& shared) { return run_backup(shared, *file); });
}

void add_restore(CLI::App& app, Context& context) {
  CLI::App& command =
      add_command(app, "restore",
                  "Make the policy what it was in a backup, sessions included; while daemons and\n"
                  "applications run, and without touching the file's owner, group or mode",
                  "  grantctl restore /var/backups/photos.db");
  auto file = std::make_shared<std::string>();
  command.add_option("FILE", *file, "of backup, or another copy of a policy database")->required();
  on_run(command, context, [file](Context& shared) { return run_restore(shared, *file); });
}

}  // namespace grantctl
