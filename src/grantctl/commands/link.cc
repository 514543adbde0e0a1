#include <fmt/core.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"
#include "grantctl/store_probe.h"
#include "grantfs/link_uses.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Principal;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Secret;
using grantfs::StorePath;

namespace {

Json link_json(const grantfs::Link& link, grantfs::Timestamp now) {
  Json object;
  object["id"] = link.id.hex();
  put_bytes(object, "principal", link.principal.text());
  put_bytes(object, "path", link.path.spelling());
  object["expires"] = to_json(link.expires);
  object["expired"] = !grantfs::is_live(link.expires, now);
  object["address"] = nullptr;
  if (!link.address.empty()) put_bytes(object, "address", link.address);
  object["uses"] = nullptr;
  if (link.uses) object["uses"] = *link.uses;
  object["created"] = link.created.time_since_epoch().count();
  object["label"] = nullptr;
  if (!link.label.empty()) put_bytes(object, "label", link.label);
  return object;
}

void put_uses(Json& object, const std::optional<grantfs::CountedUses>& uses) {
  object["used"] = nullptr;
  object["clients"] = nullptr;
  object["last_used"] = nullptr;
  if (!uses) return;
  object["used"] = uses->uses;
  object["clients"] = uses->clients;
  if (uses->uses > 0) object["last_used"] = uses->last.time_since_epoch().count();
}

/// The link's URL on the site. The URL ends with a slash unless the store is known to have a file
/// there.
Secret url_of(Context& context, std::string_view prefix, std::string_view token,
              const StorePath& path) {
  Secret url = Secret::joined({prefix, prefix.ends_with('/') ? "" : "/", token, "/"});
  if (path.is_root()) return url;
  url.append(percent_encoded(path.name()));
  if (look_in_store(context, path) == StoreContent::kFolder) url.append('/');
  return url;
}

struct LinkArguments {
  std::string path;
  std::string holder;
  std::string expires;
  std::string address;
  std::string url_prefix;
  std::string label;
  std::optional<std::int64_t> uses;
};

Result<Principal> holder_of_link(grantfs::Admin& admin, const StorePath& path,
                                 const std::string& holder) {
  if (!holder.empty()) return parse_principal(holder);
  auto owner = admin.nearest_owner(path);
  if (!owner) return owner.error();
  if (*owner) return std::move(**owner);
  return Error{ErrorKind::kNotFound,
               fmt::format("nobody owns {}, so nobody shares it; own it first, or write --for "
                           "PRINCIPAL",
                           quoted(shown(path)))};
}

/// Returns kNotFound if the link would lead nowhere.
Result<void> check_right(Context& context, const Principal& principal, const StorePath& path) {
  auto explanation = context.explain(identity_of(principal), path);
  if (!explanation) return explanation.error();
  if (explanation->access >= grantfs::Access::kPassage) return {};
  return Error{ErrorKind::kNotFound,
               fmt::format("{} may not read {}, so a link of its own would lead nowhere; see: "
                           "grantctl check",
                           quoted(principal.text()), quoted(shown(path)))};
}

Result<grantfs::LinkTerms> terms_of(const LinkArguments& arguments) {
  grantfs::LinkTerms terms;
  auto expires = parse_expires(arguments.expires);
  if (!expires) return expires.error();
  terms.expires = *expires;
  auto address = parse_network(arguments.address);
  if (!address) return address.error();
  terms.address = *address;
  if (arguments.uses && (*arguments.uses < 1 || *arguments.uses > grantfs::kMostLinkUses)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("--uses takes a number from 1 to {}", grantfs::kMostLinkUses)};
  }
  terms.uses = arguments.uses;
  if (!arguments.label.empty()) {
    if (auto fit = grantfs::check_link_label(arguments.label); !fit) return fit.error();
  }
  terms.label = arguments.label;
  return terms;
}

Result<int> run_link_create(Context& context, const LinkArguments& arguments) {
  auto path = parse_path(context, arguments.path);
  if (!path) return path.error();
  auto terms = terms_of(arguments);
  if (!terms) return terms.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto principal = holder_of_link(**admin, *path, arguments.holder);
  if (!principal) return principal.error();
  if (auto right = check_right(context, *principal, *path); !right) return right.error();

  const Secret token = grantfs::generate_token();
  const bool has_url = !arguments.url_prefix.empty();
  const Secret url =
      has_url ? url_of(context, arguments.url_prefix, token.view(), *path) : Secret();
  survive_broken_pipe();
  auto id = (*admin)->create_link(*principal, *path, token.view(), *terms);
  if (!id) return id.error();
  context.made = id->hex();
  if (context.json) {
    Json document = link_json(
        {*id, *principal, *path, terms->expires, terms->address ? terms->address->text() : "",
         terms->uses, grantfs::system_now(), terms->label},
        grantfs::system_now());
    put_uses(document, terms->uses ? std::optional(grantfs::CountedUses()) : std::nullopt);
    document["token"] = token.view();
    document["url"] = nullptr;
    if (has_url) document["url"] = url.view();
    print(document);
  } else {
    print_line(has_url ? url.view() : token.view());
  }
  if (!std::cout.flush()) return undelivered("link", id->hex(), (*admin)->remove_link(id->hex()));
  return kDone;
}

using Uses = std::map<std::string, grantfs::CountedUses>;

Result<Uses> count_uses(Context& context) {
  const auto uri = context.postgresql();
  if (!uri) return uri.error();
  if (*uri) return grantfs::uses_counted_upstream(**uri);
  const auto database = context.database();
  if (!database) return database.error();
  const auto policy = grantfs::Policy::open({.database = *database});
  if (!policy) return policy.error();
  const auto upstream = (*policy)->copy_of();
  if (!upstream) return upstream.error();
  if (upstream->empty()) return grantfs::counted_uses(*database);
  return Error{ErrorKind::kConflict,
               fmt::format("they are counted upstream: grantctl --db {} link ls", *upstream)};
}

/// The uses that were counted; none, with a note, if nobody knows.
std::optional<Uses> uses_so_far(Context& context, const std::vector<grantfs::Link>& links) {
  const bool counted = std::ranges::any_of(links, [](const auto& link) { return !!link.uses; });
  if (!counted) return Uses();
  auto uses = count_uses(context);
  if (uses) return std::move(*uses);
  complain(fmt::format("note: cannot tell how often links were used: {}", uses.error().message));
  return std::nullopt;
}

/// The uses of this link so far; none if they are not counted, or nobody knows.
std::optional<grantfs::CountedUses> uses_of(const grantfs::Link& link,
                                            const std::optional<Uses>& all) {
  if (!link.uses || !all) return std::nullopt;
  const auto found = all->find(link.id.hex());
  return found == all->end() ? grantfs::CountedUses() : found->second;
}

Result<int> run_link_ls(Context& context, const std::optional<grantfs::Principal>& holder) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto links = (*admin)->links(holder);
  if (!links) return links.error();
  const auto uses = uses_so_far(context, *links);
  const auto now = grantfs::system_now();
  if (context.json) {
    Json document;
    document["links"] = Json::array();
    for (const auto& link : *links) {
      Json object = link_json(link, now);
      put_uses(object, uses_of(link, uses));
      document["links"].push_back(std::move(object));
    }
    print(document);
    return kDone;
  }
  Table table({"ID", "PRINCIPAL", "PATH", "LABEL", "EXPIRES", "ADDRESS", "USES", "USED", "LAST USE",
               "CREATED"});
  for (const auto& link : *links) {
    const auto used = uses_of(link, uses);
    table.add({shown(link.id), link.principal.text(), shown(link.path),
               link.label.empty() ? "-" : link.label, shown(link.expires, now),
               link.address.empty() ? "any" : link.address,
               link.uses ? fmt::format("{}", *link.uses) : "any",
               used ? fmt::format("{}", used->uses) : "-",
               used && used->uses > 0 ? grantfs::format_timestamp(used->last) : "-",
               grantfs::format_timestamp(link.created)});
  }
  table.print();
  return kDone;
}

Result<int> run_link_rm(Context& context, const std::string& given) {
  auto id = parse_token_id(given);
  if (!id) return id.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->remove_link(*id);
  if (!counts) return counts.error();
  return recall_and_report(context, *counts, "no such link; see: grantctl link ls");
}

void add_link_create(CLI::App& link, Context& context) {
  CLI::App& command = add_command(
      link, "create",
      "Share a file or folder by a token, which is printed this once. The link lasts as long\n"
      "as its principal's own right to the path",
      "  grantctl link create uploads/7f3a9c/film.mp4 --expires 7d\n"
      "  grantctl link create album --for user:1042 --url-prefix https://example.org/l/");
  auto arguments = std::make_shared<LinkArguments>();
  command.add_option("PATH", arguments->path, "in the store")->required();
  command
      .add_option("--for", arguments->holder,
                  "whose right the link rests on; default: the owner of the path, or of the "
                  "nearest folder above")
      ->type_name("PRINCIPAL");
  add_expires(command, arguments->expires);
  add_address(command, arguments->address);
  command.add_option("--uses", arguments->uses, "how often each client may use it")->type_name("N");
  command.add_option("--label", arguments->label, "what it is for, which link ls shows")
      ->type_name("TEXT");
  command
      .add_option("--url-prefix", arguments->url_prefix,
                  "where the site serves links: print the whole URL")
      ->type_name("URL");
  on_run(command, context,
         [arguments](Context& shared) { return run_link_create(shared, *arguments); });
}

void add_link_rm(CLI::App& link, Context& context) {
  CLI::App& command = add_command(link, "rm", "Revoke a link, at once",
                                  "  grantctl link rm 3f2a81c09d4e77b1\n"
                                  "  printf '%s\\n' \"$TOKEN\" | grantctl link rm -");
  auto id = std::make_shared<std::string>();
  add_token_id(command, *id)->required();
  on_run(command, context, [id](Context& shared) { return run_link_rm(shared, *id); });
}

}  // namespace

void add_link(CLI::App& app, Context& context) {
  CLI::App& link = add_command(app, "link", "Links: a token that shares one file or folder",
                               "  grantctl link create uploads/7f3a9c/film.mp4 --expires 7d");
  link.require_subcommand(1);
  add_link_create(link, context);
  add_ls_by_holder(link, context, "The links, oldest first",
                   "  grantctl link ls\n"
                   "  grantctl link ls --for user:1042",
                   run_link_ls);
  add_link_rm(link, context);
}

}  // namespace grantctl
