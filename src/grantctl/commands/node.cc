#include <fmt/core.h>

#include <memory>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantfs/postgresql.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;

namespace {

Result<std::string> needed_uri(const Context& context) {
  auto uri = context.postgresql();
  if (!uri) return uri.error();
  if (*uri) return **uri;
  return Error{ErrorKind::kInvalid,
               "nodes are those of a policy in PostgreSQL; name it: --db postgresql://..."};
}

std::string state_of(const grantfs::Node& node) {
  if (node.connected) return "connected";
  return node.has_slot ? "not connected" : "no slot; it will copy everything anew";
}

Result<int> run_node_ls(Context& context) {
  auto uri = needed_uri(context);
  if (!uri) return uri.error();
  auto nodes = grantfs::nodes(*uri);
  if (!nodes) return nodes.error();
  if (context.json) {
    Json document;
    document["nodes"] = Json::array();
    for (const grantfs::Node& node : *nodes) {
      document["nodes"].push_back({{"name", node.name},
                                   {"follow_seconds", node.follow_seconds},
                                   {"slot", node.has_slot},
                                   {"connected", node.connected},
                                   {"behind_bytes", nullptr}});
      if (node.has_slot) document["nodes"].back()["behind_bytes"] = node.behind_bytes;
    }
    print(document);
    return kDone;
  }
  Table table({"NODE", "SERVES WITHOUT NEWS", "BEHIND", "STATE"});
  for (const grantfs::Node& node : *nodes) {
    table.add({node.name, fmt::format("{} s", node.follow_seconds),
               node.has_slot ? fmt::format("{} bytes", node.behind_bytes) : "", state_of(node)});
  }
  table.print();
  return kDone;
}

Result<int> run_node_rm(Context& context, const std::string& name) {
  auto uri = needed_uri(context);
  if (!uri) return uri.error();
  auto removed = grantfs::remove_node(*uri, name);
  if (!removed) return removed.error();
  const Error none{ErrorKind::kNotFound,
                   fmt::format("there is no node {}; see: grantctl node ls", quoted(name))};
  if (context.json) {
    Json document;
    document["removed"] = *removed ? 1 : 0;
    if (!*removed) put_error(document, none);
    print(document);
  }
  if (*removed) return kDone;
  complain(none.message);
  return kDenied;
}

}  // namespace

void add_node(CLI::App& app, Context& context) {
  CLI::App& node =
      add_command(app, "node", "The machines that follow a policy in PostgreSQL: ls, rm",
                  "  grantctl --db postgresql://db.example/photos node ls");
  node.require_subcommand(1);
  CLI::App& list = add_command(node, "ls", "List the nodes, and how far each has come",
                               "  grantctl --db postgresql://db.example/photos node ls");
  on_run(list, context, run_node_ls);

  CLI::App& remove = add_command(
      node, "rm",
      "Remove a node that will not come back, with its replication slot; returns once it\n"
      "serves nothing any more for want of news",
      "  grantctl --db postgresql://db.example/photos node rm web3");
  auto name = std::make_shared<std::string>();
  remove.add_option("NAME", *name, "as node ls shows it")->required();
  on_run(remove, context, [name](Context& shared) { return run_node_rm(shared, *name); });
}

}  // namespace grantctl
