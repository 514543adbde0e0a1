#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/explain.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

namespace grantctl {

using grantfs::Principal;
using grantfs::quoted;
using grantfs::Result;
using grantfs::RowCounts;
using grantfs::StorePath;

namespace {

struct RevokeArguments {
  std::string principal;
  std::vector<std::string> paths;
  bool recursive = false;
};

/// A path, what was taken away there, and what lets the principal in all the same.
struct Revoked {
  StorePath path;
  RowCounts counts;
  std::optional<grantfs::Explanation> still;
};

/// The explanation of what still lets the principal in. The rows are gone, even if the explanation
/// fails.
std::optional<grantfs::Explanation> what_remains(Context& context, const Principal& principal,
                                                 const StorePath& path) {
  auto explanation = context.explain(identity_of(principal), path);
  if (!explanation) {
    complain(explanation.error().message);
    return std::nullopt;
  }
  if (!explanation->rule) return std::nullopt;
  return std::move(*explanation);
}

std::string none_there(const Principal& principal, const Revoked& revoked, bool recursive) {
  std::string message = fmt::format("{} has no grant on {}{} and does not own it{}",
                                    quoted(principal.text()), quoted(shown(revoked.path)),
                                    recursive ? ", nor below it," : "", pattern_hint(revoked.path));
  if (revoked.still) {
    message += fmt::format("; what lets it in is {}", shown_with_membership(*revoked.still));
  }
  return message;
}

Json revoked_json(const Revoked& revoked, grantfs::Timestamp now) {
  Json object;
  put_bytes(object, "path", revoked.path.spelling());
  object["owners"] = revoked.counts.owners;
  object["grants"] = revoked.counts.grants;
  object["still"] = nullptr;
  if (revoked.still) {
    object["still"] = to_json(*revoked.still->rule, now);
    object["still"]["membership"] = to_json(revoked.still->membership);
  }
  return object;
}

Result<int> run_revoke(Context& context, const RevokeArguments& arguments) {
  auto principal = parse_principal(arguments.principal);
  if (!principal) return principal.error();
  auto paths = parse_paths(context, arguments.paths);
  if (!paths) return paths.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  const auto reach = arguments.recursive ? grantfs::Reach::kBelowToo : grantfs::Reach::kPathAlone;
  auto counts = (*admin)->revoke(*principal, *paths, reach);
  if (!counts) return counts.error();
  RowCounts total;
  for (const RowCounts& each : *counts) {
    total.owners += each.owners;
    total.grants += each.grants;
  }
  Json recall;
  if (total.total() > 0) recall = recall_leases(context);

  std::vector<Revoked> all;
  std::vector<std::string> none;
  for (std::size_t i = 0; i < paths->size(); ++i) {
    const StorePath& path = (*paths)[i];
    all.push_back({path, (*counts)[i], what_remains(context, *principal, path)});
    const Revoked& revoked = all.back();
    if (revoked.counts.total() == 0) {
      none.push_back(none_there(*principal, revoked, arguments.recursive));
    }
  }
  if (context.json) {
    Json document = {{"owners", total.owners}, {"grants", total.grants}};
    document["revoked"] = Json::array();
    const auto now = grantfs::system_now();
    for (const Revoked& revoked : all) document["revoked"].push_back(revoked_json(revoked, now));
    document["recall"] = std::move(recall);
    if (!none.empty()) put_error(document, {grantfs::ErrorKind::kNotFound, none.front()});
    print(document);
  }
  for (const std::string& message : none) complain(message);
  for (const Revoked& revoked : all) {
    if (!revoked.still || revoked.counts.total() == 0) continue;
    complain(fmt::format("warning: {} still has access to {}, by {}", quoted(principal->text()),
                         quoted(shown(revoked.path)), shown_with_membership(*revoked.still)));
  }
  return none.empty() ? kDone : kDenied;
}

}  // namespace

void add_revoke(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "revoke",
      "Take away the grants and the ownerships that a principal has on exactly these paths; says "
      "which other rules, if any, still let it in",
      "  grantctl revoke user:1042 uploads/7f3a9c/film.mp4\n"
      "  grantctl revoke --recursive user:1042 uploads");
  auto arguments = std::make_shared<RevokeArguments>();
  command.add_option("PRINCIPAL", arguments->principal, "user:NAME, group:NAME, uid:N, ...")
      ->required();
  command.add_option("PATH", arguments->paths, "in the store")->required();
  command.add_flag("-r,--recursive", arguments->recursive,
                   "take away what it has on anything below the paths, too");
  on_run(command, context, [arguments](Context& shared) { return run_revoke(shared, *arguments); });
}

}  // namespace grantctl
