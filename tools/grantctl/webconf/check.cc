#include <fmt/format.h>

#include <memory>

#include "base/quote.h"
#include "commands.h"
#include "nginxconf/audit.h"
#include "nginxconf/parser.h"
#include "output.h"
#include "webconf/check.h"

namespace grantctl {

using grantfs::escaped;
using grantfs::Result;

namespace {

struct ConfCheckArguments {
  std::string file;
  std::string mount = "/srv/files";
};

void print_findings(const std::vector<nginxconf::Finding>& findings, bool json) {
  if (json) {
    Json document;
    document["findings"] = Json::array();
    for (const auto& finding : findings) {
      Json row;
      put_bytes(row, "file", finding.place.file);
      row["line"] = finding.place.line;
      row["rule"] = finding.rule;
      put_bytes(row, "what", finding.what);
      put_bytes(row, "advice", finding.advice);
      document["findings"].push_back(row);
    }
    print(document);
    return;
  }
  for (const auto& finding : findings) {
    print_line(fmt::format("{}:{}: {}: {}; {}", escaped(finding.place.file), finding.place.line,
                           finding.rule, escaped(finding.what), escaped(finding.advice)));
  }
  if (findings.empty()) print_line("nothing unsafe found");
}

Result<int> run_webconf_check(const Context& context, const ConfCheckArguments& arguments) {
  auto configuration = nginxconf::parse_file(arguments.file);
  if (!configuration) return configuration.error();
  const auto findings = nginxconf::audit(*configuration, arguments.mount);
  print_findings(findings, context.json);
  return findings.empty() ? kDone : kDenied;
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
      .add_option("--mount", arguments->mount,
                  "where grantfs is mounted; default: /srv/files, and what paths in FILE show")
      ->type_name("DIR");
  on_run(command, context,
         [arguments](Context& shared) { return run_webconf_check(shared, *arguments); });
}

}  // namespace grantctl
