#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Rule;
using grantfs::RuleQuery;

namespace {

struct LsArguments {
  std::string holder;
  std::string principal;
  std::string right;
  std::string sort;
  std::optional<std::string> path;
  std::optional<std::int64_t> limit;
  bool json_lines = false;
};

Error unknown_word(std::string_view option, const std::string& given, std::string_view words) {
  return {ErrorKind::kInvalid, fmt::format("{} {}: write {}", option, quoted(given), words)};
}

Result<RuleQuery::Order> parse_order(const std::string& text) {
  if (text.empty() || text == "path") return RuleQuery::Order::kPath;
  if (text == "principal") return RuleQuery::Order::kPrincipal;
  if (text == "expires") return RuleQuery::Order::kExpires;
  return unknown_word("--sort", text, "path, principal or expires");
}

Result<std::optional<Rule::Kind>> parse_right(const std::string& text) {
  using Kind = std::optional<Rule::Kind>;
  if (text.empty()) return Kind();
  if (text == "own") return Kind(Rule::Kind::kOwner);
  if (text == "read") return Kind(Rule::Kind::kGrant);
  return unknown_word("--right", text, "own or read");
}

Result<RuleQuery> query_of(Context& context, const LsArguments& arguments) {
  RuleQuery query;
  if (!arguments.holder.empty() && !arguments.principal.empty()) {
    return Error{ErrorKind::kInvalid,
                 "--for finds the rules of groups too and --of does not; use one of the two"};
  }
  auto holder = parse_holder(arguments.holder);
  if (!holder) return holder.error();
  query.holder = std::move(*holder);
  auto principal = parse_holder(arguments.principal);
  if (!principal) return principal.error();
  query.principal = std::move(*principal);
  if (arguments.path) {
    auto path = parse_path(context, *arguments.path);
    if (!path) return path.error();
    query.path = std::move(*path);
  }
  auto kind = parse_right(arguments.right);
  if (!kind) return kind.error();
  query.kind = *kind;
  auto order = parse_order(arguments.sort);
  if (!order) return order.error();
  query.order = *order;
  constexpr std::int64_t kMost = 1'000'000'000;
  if (arguments.limit && (*arguments.limit < 1 || *arguments.limit > kMost)) {
    return Error{ErrorKind::kInvalid, fmt::format("--limit takes a number from 1 to {}", kMost)};
  }
  // One more tells whether there are more.
  if (arguments.limit) query.limit = *arguments.limit + 1;
  return query;
}

void print_table(const std::vector<Rule>& rules, grantfs::Timestamp now) {
  Table table({"PATH", "PRINCIPAL", "RIGHT", "EXPIRES"});
  for (const Rule& rule : rules) {
    table.add({shown(rule.path), rule.principal.text(),
               rule.kind == Rule::Kind::kOwner ? "own" : "read", shown(rule.expires, now)});
  }
  table.print();
}

Result<int> run_ls(Context& context, const LsArguments& arguments) {
  if (context.json && arguments.json_lines) {
    return Error{ErrorKind::kInvalid, "--json is one document and --json-lines many; use one"};
  }
  auto query = query_of(context, arguments);
  if (!query) return query.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto rules = (*admin)->rules(*query);
  if (!rules) return rules.error();
  const bool more = arguments.limit && std::ssize(*rules) > *arguments.limit;
  if (more) rules->pop_back();

  const auto now = grantfs::system_now();
  if (context.json) {
    Json document;
    document["rules"] = Json::array();
    for (const Rule& rule : *rules) document["rules"].push_back(to_json(rule, now));
    document["more"] = more;
    print(document);
    return kDone;
  }
  if (arguments.json_lines) {
    for (const Rule& rule : *rules) print_json_line(to_json(rule, now));
  } else {
    print_table(*rules, now);
  }
  if (more) complain(fmt::format("note: there are more than these {} rules", *arguments.limit));
  return kDone;
}

}  // namespace

void add_ls(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "ls",
      "Who has what: every rule, or those on a path, below it, and on the folders above it",
      "  grantctl ls\n"
      "  grantctl ls uploads/7f3a9c\n"
      "  grantctl ls --for user:1042\n"
      "  grantctl ls --of user:1042 --right own\n"
      "  grantctl ls --sort expires --limit 20");
  auto arguments = std::make_shared<LsArguments>();
  command
      .add_option("--for", arguments->holder,
                  "only rules that let this principal in, by its groups too")
      ->type_name("PRINCIPAL");
  command.add_option("--of", arguments->principal, "only rules of exactly this principal")
      ->type_name("PRINCIPAL");
  command.add_option("--right", arguments->right, "only ownerships, or only grants")
      ->type_name("own|read");
  command
      .add_option("--sort", arguments->sort,
                  "by path, which is the default, by principal, or by what ends first")
      ->type_name("path|principal|expires");
  command.add_option("--limit", arguments->limit, "the first so many")->type_name("N");
  command.add_flag("--json-lines", arguments->json_lines,
                   "print each rule as a JSON document on a line of its own");
  command.add_option("PATH", arguments->path, "in the store");
  on_run(command, context, [arguments](Context& shared) { return run_ls(shared, *arguments); });
}

}  // namespace grantctl
