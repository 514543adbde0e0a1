#include "grantctl/webconf/check.h"

#include <fmt/core.h>

#include <memory>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/parser.h"
#include "grantctl/output.h"
#include "grantctl/webconf/known_trees.h"

namespace grantctl {

using grantfs::escaped;
using grantfs::printable;
using grantfs::Result;

namespace {

struct ConfCheckArguments {
  std::string file;
  std::vector<std::string> mounts;
  std::vector<std::string> stores;
};

Json place_json(const nginxconf::Place& place) {
  Json row;
  put_bytes(row, "file", place.file);
  row["line"] = place.line;
  return row;
}

void print_json(const nginxconf::Report& report) {
  Json document;
  document["findings"] = Json::array();
  for (const auto& finding : report.findings) {
    Json row = place_json(finding.place);
    row["rule"] = finding.rule;
    put_bytes(row, "what", finding.what);
    put_bytes(row, "advice", finding.advice);
    document["findings"].push_back(row);
  }
  document["notes"] = Json::array();
  for (const auto& note : report.notes) {
    Json row = place_json(note.place);
    put_bytes(row, "what", note.what);
    document["notes"].push_back(row);
  }
  document["serves_mount"] = report.serves_mount;
  print(document);
}

void print_report(const nginxconf::Report& report) {
  for (const auto& finding : report.findings) {
    print_line(fmt::format("{}:{}: {}: {}; {}", escaped(finding.place.file), finding.place.line,
                           finding.rule, printable(finding.what), printable(finding.advice)));
  }
  for (const auto& note : report.notes) {
    complain(
        fmt::format("{}:{}: {}", escaped(note.place.file), note.place.line, printable(note.what)));
  }
  if (!report.findings.empty()) return;
  print_line(report.serves_mount
                 ? "nothing unsafe found"
                 : "no location that leads below a mount of grantfs was found, and nothing unsafe; "
                   "give nginx's main configuration, and where the mount is: --mount DIR");
}

Result<int> run_webconf_check(Context& context, const ConfCheckArguments& arguments) {
  auto configuration = nginxconf::parse_file(arguments.file);
  if (!configuration) return configuration.error();
  const auto report =
      nginxconf::audit(*configuration, known_trees(context, arguments.mounts, arguments.stores));
  if (!report) return report.error();
  if (context.json) {
    print_json(*report);
  } else {
    print_report(*report);
  }
  return report->findings.empty() ? kDone : kDenied;
}

}  // namespace

void add_webconf_check(CLI::App& webconf, Context& context) {
  CLI::App& command = add_command(webconf, "check",
                                  "What is unsafe in a configuration of nginx, with file and line",
                                  "  grantctl webconf check /etc/nginx/nginx.conf");
  auto arguments = std::make_shared<ConfCheckArguments>();
  command
      .add_option("FILE", arguments->file, "nginx's main configuration, or one that it includes")
      ->required();
  command
      .add_option(
          "--mount", arguments->mounts,
          "where grantfs is mounted; may be repeated; default: /srv/files; besides: what is "
          "mounted now, and what paths in FILE show")
      ->type_name("DIR")
      ->allow_extra_args(false);
  command
      .add_option("--store", arguments->stores,
                  "a private store; may be repeated; besides: what running daemons say")
      ->type_name("DIR")
      ->allow_extra_args(false);
  on_run(command, context,
         [arguments](Context& shared) { return run_webconf_check(shared, *arguments); });
}

}  // namespace grantctl
