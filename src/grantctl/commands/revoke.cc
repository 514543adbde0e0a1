#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/explain.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

namespace grantctl {

using grantfs::quoted;
using grantfs::Result;

namespace {

struct RevokeArguments {
  std::string principal;
  std::string path;
};

Result<int> run_revoke(Context& context, const RevokeArguments& arguments) {
  auto principal = parse_principal(arguments.principal);
  if (!principal) return principal.error();
  auto path = parse_path(context, arguments.path);
  if (!path) return path.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->revoke(*principal, *path);
  if (!counts) return counts.error();
  Json recall;
  if (counts->total() > 0) recall = recall_leases(context);

  // The rows are gone, even if the explanation fails.
  std::optional<grantfs::Explanation> remaining;
  if (auto explanation = context.explain(identity_of(*principal), *path)) {
    remaining = std::move(*explanation);
  } else {
    complain(explanation.error().message);
  }
  const bool still = remaining && remaining->rule;
  const auto now = grantfs::system_now();

  std::string none;
  if (counts->total() == 0) {
    none = fmt::format("{} has no grant on {} and does not own it", quoted(principal->text()),
                       quoted(shown(*path)));
    if (still) none += fmt::format("; what lets it in is {}", shown_with_membership(*remaining));
  }
  if (context.json) {
    Json document = to_json(*counts);
    document["still"] = nullptr;
    if (still) {
      document["still"] = to_json(*remaining->rule, now);
      document["still"]["membership"] = to_json(remaining->membership);
    }
    document["recall"] = std::move(recall);
    if (!none.empty()) put_error(document, {grantfs::ErrorKind::kNotFound, none});
    print(document);
  }
  if (!none.empty()) {
    complain(none);
    return kDenied;
  }
  if (still) {
    complain(fmt::format("warning: {} still has access to {}, by {}", quoted(principal->text()),
                         quoted(shown(*path)), shown_with_membership(*remaining)));
  }
  return kDone;
}

}  // namespace

void add_revoke(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "revoke",
      "Take away the grant or the ownership that a principal has on exactly this path;\n"
      "says which other rule, if any, still lets it in",
      "  grantctl revoke user:1042 uploads/7f3a9c/film.mp4");
  auto arguments = std::make_shared<RevokeArguments>();
  command.add_option("PRINCIPAL", arguments->principal, "user:NAME, group:NAME, uid:N, ...")
      ->required();
  command.add_option("PATH", arguments->path, "in the store")->required();
  on_run(command, context, [arguments](Context& shared) { return run_revoke(shared, *arguments); });
}

}  // namespace grantctl
