#include <fmt/core.h>
#include <fmt/ranges.h>

#include <iostream>
#include <map>

#include "base/quote.h"
#include "control/bind.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;

namespace {

Json session_json(const grantfs::Session& session, grantfs::Timestamp now) {
  Json object;
  object["id"] = session.id.hex();
  put_bytes(object, "principal", session.principal.text());
  object["expires"] = to_json(session.expires);
  object["expired"] = !grantfs::is_live(session.expires, now);
  object["address"] = nullptr;
  if (!session.address.empty()) put_bytes(object, "address", session.address);
  object["created"] = session.created.time_since_epoch().count();
  return object;
}

/// The POSIX sessions bound to each session, by the session's id; none if no daemon says.
using Bound = std::optional<std::map<std::string, std::vector<pid_t>>>;

Bound bound_processes(const Context& context) {
  const auto database = context.database();
  if (!database) return std::nullopt;
  const auto bindings = grantfs::find_bindings(*database);
  if (!bindings) return std::nullopt;
  std::map<std::string, std::vector<pid_t>> bound;
  for (const auto& binding : *bindings) bound[binding.id].push_back(binding.session);
  return bound;
}

std::vector<pid_t> bound_to(const Bound& bound, const grantfs::Session& session) {
  const auto found = bound->find(session.id.hex());
  return found == bound->end() ? std::vector<pid_t>() : found->second;
}

std::string numbers(const std::vector<pid_t>& processes) {
  return processes.empty() ? "none" : fmt::format("{}", fmt::join(processes, " "));
}

Error never_an_argument() {
  return {ErrorKind::kInvalid,
          "a token is never an argument, since every process could read it there; write --token - "
          "and give it on standard input"};
}

struct CreateArguments {
  std::string principal;
  std::string expires;
  std::string token;
  std::string address;
};

Result<int> run_session_create(Context& context, const CreateArguments& arguments) {
  if (!arguments.token.empty() && arguments.token != "-") return never_an_argument();
  auto principal = parse_principal(arguments.principal);
  if (!principal) return principal.error();
  auto expires = parse_expires(arguments.expires);
  if (!expires) return expires.error();
  auto address = parse_network(arguments.address);
  if (!address) return address.error();

  const bool given = arguments.token == "-";
  grantfs::Secret token;
  if (given) {
    auto read = read_token();
    if (!read) return read.error();
    token = std::move(*read);
  } else {
    token = grantfs::generate_token();
  }
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  survive_broken_pipe();
  auto id = (*admin)->create_session(*principal, token.view(), *expires, *address);
  if (!id) return id.error();
  context.made = id->hex();

  if (context.json) {
    Json document;
    document["id"] = id->hex();
    if (!given) document["token"] = token.view();
    put_bytes(document, "principal", principal->text());
    document["expires"] = to_json(*expires);
    document["address"] = nullptr;
    if (*address) document["address"] = (*address)->text();
    print(document);
  } else {
    print_line(given ? std::string_view(id->hex()) : token.view());
  }
  if (!std::cout.flush())
    return undelivered("session", id->hex(), (*admin)->remove_session(id->hex()));
  return kDone;
}

Result<int> run_session_ls(Context& context, const std::optional<grantfs::Principal>& holder) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto sessions = (*admin)->sessions(holder);
  if (!sessions) return sessions.error();
  const auto now = grantfs::system_now();
  const Bound bound = bound_processes(context);
  if (context.json) {
    Json document;
    document["sessions"] = Json::array();
    for (const auto& session : *sessions) {
      document["sessions"].push_back(session_json(session, now));
      if (bound) document["sessions"].back()["processes"] = bound_to(bound, session);
    }
    print(document);
    return kDone;
  }
  std::vector<std::string> headings{"ID", "PRINCIPAL", "EXPIRES", "ADDRESS", "CREATED"};
  if (bound) headings.emplace_back("PROCESSES");
  Table table(std::move(headings));
  for (const auto& session : *sessions) {
    std::vector<std::string> row{shown(session.id), session.principal.text(),
                                 shown(session.expires, now),
                                 session.address.empty() ? "any" : session.address,
                                 grantfs::format_timestamp(session.created)};
    if (bound) row.push_back(numbers(bound_to(bound, session)));
    table.add(std::move(row));
  }
  table.print();
  return kDone;
}

struct RemoveArguments {
  std::string id;
  std::string holder;
};

Result<int> run_session_rm(Context& context, const RemoveArguments& arguments) {
  if (arguments.id.empty() == arguments.holder.empty()) {
    return Error{ErrorKind::kInvalid,
                 "write one of: session rm ID, session rm - (the token on standard input), "
                 "session rm --for PRINCIPAL"};
  }
  Result<grantfs::RowCounts> counts = grantfs::RowCounts();
  std::string none = "no such session; see: grantctl session ls";
  if (!arguments.holder.empty()) {
    auto principal = parse_principal(arguments.holder);
    if (!principal) return principal.error();
    auto admin = context.open_admin();
    if (!admin) return admin.error();
    counts = (*admin)->remove_sessions_of(*principal);
    none = fmt::format("{} has no session", quoted(principal->text()));
  } else {
    auto id = parse_token_id(arguments.id);
    if (!id) return id.error();
    auto admin = context.open_admin();
    if (!admin) return admin.error();
    counts = (*admin)->remove_session(*id);
  }
  if (!counts) return counts.error();
  return recall_and_report(context, *counts, none);
}

void add_session_create(CLI::App& session, Context& context) {
  CLI::App& command =
      add_command(session, "create",
                  "Make a session and print its token, this once; or store one whose token exists",
                  "  TOKEN=$(grantctl session create user:1042 --expires 8h)\n"
                  "  printf '%s\\n' \"$TOKEN\" | grantctl session create user:1042 --token -");
  auto arguments = std::make_shared<CreateArguments>();
  command.add_option("PRINCIPAL", arguments->principal, "whose session it is")->required();
  add_expires(command, arguments->expires);
  add_address(command, arguments->address);
  command
      .add_option("--token", arguments->token,
                  "only '-': read the token from standard input, and print the session's id")
      ->type_name("-");
  on_run(command, context,
         [arguments](Context& shared) { return run_session_create(shared, *arguments); });
}

void add_session_rm(CLI::App& session, Context& context) {
  CLI::App& command = add_command(session, "rm", "End a session, or all those of a principal",
                                  "  grantctl session rm 3f2a81c09d4e77b1\n"
                                  "  printf '%s\\n' \"$TOKEN\" | grantctl session rm -\n"
                                  "  grantctl session rm --for user:1042");
  auto arguments = std::make_shared<RemoveArguments>();
  add_token_id(command, arguments->id);
  command.add_option("--for", arguments->holder, "all sessions of this principal")
      ->type_name("PRINCIPAL");
  on_run(command, context,
         [arguments](Context& shared) { return run_session_rm(shared, *arguments); });
}

}  // namespace

void add_session(CLI::App& app, Context& context) {
  CLI::App& session = add_command(app, "session", "Sessions: a token that stands for a principal",
                                  "  grantctl session create user:1042 --expires 8h");
  session.require_subcommand(1);
  add_session_create(session, context);
  add_ls_by_holder(session, context, "The sessions, oldest first",
                   "  grantctl session ls\n"
                   "  grantctl session ls --for user:1042",
                   run_session_ls);
  add_session_rm(session, context);
}

}  // namespace grantctl
