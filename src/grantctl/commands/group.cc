#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

namespace grantctl {

using grantfs::quoted;
using grantfs::Result;

namespace {

struct GroupArguments {
  std::string group;
  std::string member;
  std::string expires;
};

Json membership_json(const grantfs::Membership& membership, grantfs::Timestamp now) {
  Json object;
  put_bytes(object, "group", membership.group.text());
  put_bytes(object, "member", membership.member.text());
  object["expires"] = to_json(membership.expires);
  object["expired"] = !grantfs::is_live(membership.expires, now);
  return object;
}

Result<int> run_group_add(Context& context, const GroupArguments& arguments) {
  auto group = parse_group(arguments.group);
  if (!group) return group.error();
  auto member = parse_principal(arguments.member);
  if (!member) return member.error();
  auto expires = parse_expires(arguments.expires);
  if (!expires) return expires.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  if (auto done = (*admin)->add_member(*group, *member, *expires); !done) return done.error();
  // As with a grant, the new end may be earlier than the old one.
  Json recall;
  if (*expires) recall = recall_leases(context, WithoutDaemon::kBeQuiet);
  if (context.json) {
    Json document =
        membership_json(grantfs::Membership{*member, *group, *expires}, grantfs::system_now());
    document["recall"] = std::move(recall);
    print(document);
  }
  return kDone;
}

Result<int> run_group_rm(Context& context, const GroupArguments& arguments) {
  auto group = parse_group(arguments.group);
  if (!group) return group.error();
  auto member = parse_principal(arguments.member);
  if (!member) return member.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->remove_member(*group, *member);
  if (!counts) return counts.error();
  return recall_and_report(context, *counts,
                           fmt::format("{} is not a member of {}; see: grantctl group ls",
                                       quoted(member->text()), quoted(group->text())));
}

Result<int> run_group_ls(Context& context, const GroupArguments& arguments) {
  std::optional<grantfs::Principal> group;
  if (!arguments.group.empty()) {
    auto parsed = parse_group(arguments.group);
    if (!parsed) return parsed.error();
    group = std::move(*parsed);
  }
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto memberships = (*admin)->memberships(group);
  if (!memberships) return memberships.error();
  const auto now = grantfs::system_now();
  if (context.json) {
    Json document;
    document["members"] = Json::array();
    for (const auto& membership : *memberships) {
      document["members"].push_back(membership_json(membership, now));
    }
    print(document);
    return kDone;
  }
  Table table({"GROUP", "MEMBER", "EXPIRES"});
  for (const auto& membership : *memberships) {
    table.add({membership.group.text(), membership.member.text(), shown(membership.expires, now)});
  }
  table.print();
  return kDone;
}

void add_group_add(CLI::App& group, Context& context) {
  CLI::App& command = add_command(group, "add", "Make a principal a member of a group",
                                  "  grantctl group add staff user:1042\n"
                                  "  grantctl group add everybody group:staff\n"
                                  "  grantctl group add staff uid:alice --expires 30d");
  auto arguments = std::make_shared<GroupArguments>();
  command.add_option("GROUP", arguments->group, "group:NAME, or NAME")->required();
  command.add_option("MEMBER", arguments->member, "any principal, groups among them")->required();
  add_expires(command, arguments->expires);
  on_run(command, context,
         [arguments](Context& shared) { return run_group_add(shared, *arguments); });
}

void add_group_rm(CLI::App& group, Context& context) {
  CLI::App& command = add_command(group, "rm", "Take a member out of a group",
                                  "  grantctl group rm staff user:1042");
  auto arguments = std::make_shared<GroupArguments>();
  command.add_option("GROUP", arguments->group, "group:NAME, or NAME")->required();
  command.add_option("MEMBER", arguments->member, "the member")->required();
  on_run(command, context,
         [arguments](Context& shared) { return run_group_rm(shared, *arguments); });
}

void add_ls_of_groups(CLI::App& group, Context& context) {
  CLI::App& command = add_command(group, "ls", "Who belongs to which group",
                                  "  grantctl group ls\n"
                                  "  grantctl group ls staff");
  auto arguments = std::make_shared<GroupArguments>();
  command.add_option("GROUP", arguments->group, "only this one: group:NAME, or NAME");
  on_run(command, context,
         [arguments](Context& shared) { return run_group_ls(shared, *arguments); });
}

}  // namespace

void add_group(CLI::App& app, Context& context) {
  CLI::App& group = add_command(app, "group", "Groups of the application, and who is in them",
                                "  grantctl group add staff user:1042");
  group.require_subcommand(1);
  add_group_add(group, context);
  add_group_rm(group, context);
  add_ls_of_groups(group, context);
}

}  // namespace grantctl
