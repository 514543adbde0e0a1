#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/whole_store.h"
#include "grantfs/postgresql.h"

namespace grantctl {

using grantfs::InitOutcome;
using grantfs::Result;

namespace {

const char* name_of(InitOutcome outcome) {
  switch (outcome) {
    case InitOutcome::kCreated:
      return "created";
    case InitOutcome::kMigrated:
      return "migrated";
    case InitOutcome::kAlreadyCurrent:
      break;
  }
  return "current";
}

void print_outcome(InitOutcome outcome, const std::string& database) {
  if (outcome == InitOutcome::kAlreadyCurrent) {
    print_line(fmt::format("{} is as it should be already", grantfs::quoted(database)));
  } else {
    print_line(fmt::format("{} {}", name_of(outcome), grantfs::quoted(database)));
  }
}

Result<int> init_in_postgresql(const Context& context, const std::string& uri) {
  auto done = grantfs::init_postgresql(uri);
  if (!done) {
    grantfs::Error error = done.error();
    error.kind = grantfs::ErrorKind::kDatabase;
    return error;
  }
  for (const std::string& note : done->notes) complain(note);
  if (context.json) {
    Json document;
    put_bytes(document, "database", done->database);
    document["outcome"] = name_of(done->outcome);
    document["notes"] = done->notes;
    print(document);
  } else {
    print_outcome(done->outcome, done->database);
  }
  return kDone;
}

Result<int> run_init(Context& context) {
  auto uri = context.postgresql();
  if (!uri) return uri.error();
  if (*uri) return init_in_postgresql(context, **uri);
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
  if (context.json) {
    Json document;
    put_bytes(document, "database", database->native());
    document["outcome"] = name_of(outcome->outcome);
    if (outcome->knew_blank_paths) document["whole_store"] = warned;
    print(document);
  } else {
    print_outcome(outcome->outcome, database->native());
  }
  return kDone;
}

}  // namespace

void add_init(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "init", "Create the policy database, or bring an older one up to this version",
      "  grantctl --db /var/lib/grantfs/photos/policy.db init\n"
      "  chgrp -R photos-admin /var/lib/grantfs/photos    # who administers it\n"
      "  grantctl --db postgresql://db.example/photos init    # the schema grantfs there");
  on_run(command, context, run_init);
}

}  // namespace grantctl
