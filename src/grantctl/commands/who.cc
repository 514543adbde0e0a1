#include <fmt/core.h>

#include <algorithm>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/explain.h"
#include "grantctl/output.h"
#include "grantctl/system_accounts.h"

namespace grantctl {

using grantfs::PathReader;
using grantfs::PathReaders;
using grantfs::Principal;
using grantfs::quoted;
using grantfs::Result;
using grantfs::SigningKey;

namespace {

/// Adds the users of the machine who belong to a gid:N that is there. The policy does not know
/// them.
void add_system_members(std::vector<PathReader>& readers) {
  std::vector<PathReader> users;
  for (const PathReader& reader : readers) {
    if (reader.principal.kind() != Principal::Kind::kGid) continue;
    const auto gid = static_cast<gid_t>(std::stoul(std::string(reader.principal.name())));
    for (const Principal& member : system_members(gid)) {
      PathReader user = reader;
      user.principal = member;
      user.membership.insert(user.membership.begin(), member);
      users.push_back(std::move(user));
    }
  }
  readers.insert(readers.end(), users.begin(), users.end());
  std::ranges::stable_sort(readers, {}, &PathReader::principal);
}

std::string called(const Principal& principal) {
  if (principal.kind() != Principal::Kind::kUid) return principal.text();
  const std::string name =
      system_name(static_cast<uid_t>(std::stoul(std::string(principal.name()))));
  return name.empty() ? principal.text() : fmt::format("{} ({})", principal.text(), name);
}

/// How the reader comes to be the rule's principal: "group:staff of group:all".
std::string shown_way(const PathReader& reader) {
  std::string text;
  for (std::size_t i = 1; i < reader.membership.size(); ++i) {
    text += (i == 1 ? "of " : ", of ") + reader.membership[i].text();
  }
  return text.empty() ? "itself" : text;
}

std::string shown_rule(const grantfs::Rule& rule) {
  const char* what = rule.kind == grantfs::Rule::Kind::kOwner ? "owner of" : "grant on";
  return fmt::format("{} {}", what, quoted(shown(rule.path)));
}

Json reader_json(const PathReader& reader, grantfs::Timestamp now) {
  Json object;
  put_bytes(object, "principal", reader.principal.text());
  object["rule"] = to_json(reader.rule, now);
  object["membership"] = to_json(reader.membership);
  object["until"] = to_json(reader.until);
  return object;
}

Json link_json(const PathReaders::ByLink& by, grantfs::Timestamp now) {
  Json object;
  object["id"] = by.link.id.hex();
  put_bytes(object, "path", by.link.path.spelling());
  object["label"] = nullptr;
  if (!by.link.label.empty()) put_bytes(object, "label", by.link.label);
  object["address"] = nullptr;
  if (!by.link.address.empty()) put_bytes(object, "address", by.link.address);
  object["uses"] = nullptr;
  if (by.link.uses) object["uses"] = *by.link.uses;
  object["expires"] = to_json(by.link.expires);
  Json right = reader_json(by.right, now);
  put_bytes(right, "principal", by.link.principal.text());
  object["right"] = std::move(right);
  return object;
}

Json key_json(const SigningKey& key) {
  Json object;
  object["id"] = key.id;
  object["format"] = key.expression ? "md5" : "signature";
  put_bytes(object, "path", key.path.spelling());
  object["retired"] = to_json(key.retired);
  return object;
}

template <class Rows, class ToJson>
Json array_of(const Rows& rows, ToJson to_json_of) {
  Json array = Json::array();
  for (const auto& row : rows) array.push_back(to_json_of(row));
  return array;
}

void print_readers(const std::vector<PathReader>& readers, grantfs::Timestamp now) {
  Table table({"PRINCIPAL", "BY", "AS A MEMBER", "UNTIL"});
  for (const PathReader& reader : readers) {
    const bool itself = reader.membership.size() == 1;
    table.add({called(reader.principal), shown_rule(reader.rule), itself ? "-" : shown_way(reader),
               shown(reader.until, now)});
  }
  table.print();
}

void print_links(const std::vector<PathReaders::ByLink>& links, grantfs::Timestamp now) {
  print_line("");
  Table table({"LINK", "ON", "LABEL", "BY THE RIGHT OF", "UNTIL"});
  for (const auto& [link, right] : links) {
    grantfs::Expiry until = link.expires;
    if (!until || (right.until && *right.until < *until)) until = right.until;
    table.add({shown(link.id), shown(link.path), link.label.empty() ? "-" : link.label,
               fmt::format("{}: {} {}", link.principal.text(), right.rule.principal.text(),
                           shown_rule(right.rule)),
               shown(until, now)});
  }
  table.print();
}

void print_keys(const std::vector<SigningKey>& keys, grantfs::Timestamp now) {
  print_line("");
  Table table({"SIGNATURES OF KEY", "FORMAT", "BELOW", "UNTIL"});
  for (const SigningKey& key : keys) {
    table.add(
        {key.id, key.expression ? "md5" : "signature", shown(key.path), shown(key.retired, now)});
  }
  table.print();
}

/// A note if daemons ask a database besides, which cannot be asked who it lets in.
void note_source(Context& context) {
  const auto daemons = context.daemons();
  if (!daemons) return;
  for (const grantfs::DaemonStatus& daemon : daemons->found) {
    if (daemon.source.empty()) continue;
    complain(
        fmt::format("note: the daemon at {} also asks the application's database of {}, which "
                    "does not say whom it lets in; ask it by: grantctl check",
                    quoted(daemon.mountpoint.native()), quoted(daemon.source.native())));
  }
}

Result<int> run_who(Context& context, const std::string& text) {
  auto path = parse_path(context, text);
  if (!path) return path.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto found = (*admin)->readers(*path);
  if (!found) return found.error();
  add_system_members(found->readers);
  note_source(context);

  const auto now = grantfs::system_now();
  if (context.json) {
    Json document;
    put_bytes(document, "path", path->spelling());
    document["readers"] =
        array_of(found->readers, [&](const PathReader& each) { return reader_json(each, now); });
    document["links"] = array_of(found->links, [&](const auto& by) { return link_json(by, now); });
    document["keys"] = array_of(found->keys, key_json);
    print(document);
    return kDone;
  }
  if (found->readers.empty() && found->keys.empty()) {
    print_line(fmt::format("nobody may read {}{}", quoted(shown(*path)), pattern_hint(*path)));
    return kDone;
  }
  print_readers(found->readers, now);
  if (!found->links.empty()) print_links(found->links, now);
  if (!found->keys.empty()) print_keys(found->keys, now);
  return kDone;
}

}  // namespace

void add_who(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "who",
      "Who may read a path: users and groups, with the rule that lets each in, and links and "
      "signing keys",
      "  grantctl who uploads/7f3a9c/film.mp4\n"
      "  grantctl --json who uploads");
  auto path = std::make_shared<std::string>();
  command.add_option("PATH", *path, "in the store")->required();
  on_run(command, context, [path](Context& shared) { return run_who(shared, *path); });
}

}  // namespace grantctl
