#include <fmt/core.h>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/explain.h"
#include "grantctl/output.h"
#include "grantctl/store_probe.h"

namespace grantctl {

using grantfs::Access;
using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::escaped;
using grantfs::Explanation;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Rule;
using grantfs::Timestamp;

namespace {

struct CheckArguments {
  std::string identity;
  std::string path;
  std::string from;
};

/// The identity that the command asks about, and its name in messages.
struct Asker {
  grantfs::Identity identity;
  std::string name;
};

Result<std::optional<grantfs::Address>> parse_from(const std::string& text) {
  if (text.empty()) return std::optional<grantfs::Address>();
  auto address = grantfs::Address::parse(text);
  if (!address) return address.error();
  return std::optional(*address);
}

Result<Asker> parse_signature(const std::optional<grantfs::Address>& from) {
  auto token = read_token();
  if (!token) return token.error();
  auto signature = grantfs::Signature::parse(token->view());
  if (!signature) return signature.error();
  const std::string name = "signature:" + signature->id().hex();
  return Asker{grantfs::SignatureBearer{std::move(*signature), from}, name};
}

Result<Asker> parse_identity(const std::string& text, const std::optional<grantfs::Address>& from) {
  if (text == "signature:-") return parse_signature(from);
  if (text == "session:-" || text == "link:-") {
    auto token = read_token();
    if (!token) return token.error();
    const auto id = grantfs::TokenHash::of(token->view());
    const bool is_link = text.starts_with("link:");
    const std::string name = (is_link ? "link:" : "session:") + id.hex();
    if (is_link) return Asker{grantfs::LinkBearer{id, from}, name};
    return Asker{grantfs::SessionBearer{id, grantfs::SharedSecret(std::move(*token)), from}, name};
  }
  if (text.starts_with("session:") || text.starts_with("link:") || text.starts_with("signature:")) {
    return Error{ErrorKind::kInvalid,
                 "a token is never an argument; write session:-, link:- or signature:- and give it "
                 "on standard input"};
  }
  auto principal = parse_principal(text);
  if (!principal) return principal.error();
  return Asker{identity_of(*principal), principal->text()};
}

/// The outcome for a visitor of the mount, and the reason.
struct Verdict {
  const char* word;  ///< allow, passage or deny
  int status;
  std::vector<std::string> reasons;
};

std::string why_expired(const Rule& rule, Timestamp now) {
  if (!grantfs::is_live(rule.expires, now)) {
    return fmt::format("{} expired at {}", shown(rule), grantfs::format_timestamp(*rule.expires));
  }
  return fmt::format("{} would allow, but a membership that leads to {} has expired", shown(rule),
                     escaped(rule.principal.text()));
}

/// Why a session or link that exists does not count.
template <class Token>
std::string why_void(std::string_view what, const Token& token, Timestamp now) {
  const std::string holder = escaped(token.principal.text());
  if (!grantfs::is_live(token.expires, now)) {
    return fmt::format("the {} of {} expired at {}", what, holder,
                       grantfs::format_timestamp(*token.expires));
  }
  return fmt::format("the {} of {} is bound to the address {}", what, holder,
                     escaped(token.address));
}

std::string why_void(const Explanation::Signed& signature, Timestamp now) {
  const std::string& key = signature.claims.key_id;
  if (!signature.is_genuine) {
    return fmt::format(
        "no key made this signature: there is no key {}, or it has another secret, "
        "or it may not sign for {}",
        key, quoted(shown(signature.claims.path)));
  }
  if (grantfs::is_live(signature.until, now)) {
    return fmt::format("the signature is bound to the address {}", signature.claims.address);
  }
  const bool retired = *signature.until < signature.claims.expires;
  return fmt::format("the {} {} at {}", retired ? "key " + key : std::string("signature"),
                     retired ? "was retired" : "expired",
                     grantfs::format_timestamp(*signature.until));
}

std::string why_closed(const Asker& asker, const Explanation& explanation, Timestamp now) {
  if (explanation.signature) return why_void(*explanation.signature, now);
  if (explanation.session) return why_void("session", *explanation.session, now);
  if (explanation.link) {
    const auto& link = *explanation.link;
    const auto& from = std::get<grantfs::LinkBearer>(asker.identity).from;
    const auto network = grantfs::Network::parse(link.address);
    const bool here = link.address.empty() || (from && network && network->contains(*from));
    if (!grantfs::is_live(link.expires, now) || !here) return why_void("link", link, now);
    return fmt::format("{} itself may not read {}", escaped(link.principal.text()),
                       quoted(shown(link.path)));
  }
  const bool is_link = std::holds_alternative<grantfs::LinkBearer>(asker.identity);
  return fmt::format("no such {}: never made, or removed since", is_link ? "link" : "session");
}

std::vector<std::string> why_not(const Asker& asker, const Explanation& explanation,
                                 const grantfs::StorePath& path, Timestamp now) {
  if (explanation.access == Access::kClosed) return {why_closed(asker, explanation, now)};
  if (explanation.signature) {
    return {fmt::format("the signature is for {} alone",
                        quoted(shown(explanation.signature->claims.path)))};
  }
  if (explanation.link && !explanation.link->path.covers(path)) {
    return {fmt::format("the link is on {} alone", quoted(shown(explanation.link->path)))};
  }
  std::vector<std::string> reasons;
  for (const Rule& rule : explanation.expired) reasons.push_back(why_expired(rule, now));
  if (reasons.empty()) reasons.emplace_back("no grant covers it");
  if (explanation.owner) {
    reasons.push_back(fmt::format("{} is owned by {}", quoted(shown(explanation.owner->path)),
                                  escaped(explanation.owner->principal.text())));
  } else {
    reasons.emplace_back("nobody owns it");
  }
  return reasons;
}

/// Why the store shows nothing at the path; empty if it shows something.
std::vector<std::string> why_not_there(Context& context, const grantfs::StorePath& path,
                                       StoreContent content) {
  switch (content) {
    case StoreContent::kAbsent:
      return {"the store has no such file or folder"};
    case StoreContent::kOther:
      return {"in the store it is not a regular file or folder of its own"};
    case StoreContent::kMount: {
      const auto store = store_of(context);
      const auto point = store ? mount_inside(*store, path) : std::nullopt;
      return {
          fmt::format("{} is a mount point inside the store, and nothing of what is mounted "
                      "there is shown; make it a store of its own, with a mount of its own",
                      quoted(shown(point.value_or(path))))};
    }
    case StoreContent::kUnknown:
    case StoreContent::kFile:
    case StoreContent::kFolder:
      break;
  }
  return {};
}

/// `reasons` comes from why_not_there().
Verdict judge(const Asker& asker, const Explanation& explanation, const grantfs::StorePath& path,
              StoreContent content, std::vector<std::string> reasons, Timestamp now) {
  const bool there = reasons.empty();
  switch (explanation.access) {
    case Access::kRead:
      reasons.push_back(explanation.signature
                            ? fmt::format("by a signature of the key {} for {}",
                                          explanation.signature->claims.key_id,
                                          quoted(shown(explanation.signature->claims.path)))
                            : "by " + shown_with_membership(explanation));
      if (there) return {"allow", kDone, std::move(reasons)};
      return {"deny", kDenied, std::move(reasons)};
    case Access::kPassage:
      if (there && content != StoreContent::kFile) {
        reasons.emplace_back(
            "the folder is shown, since something below it is granted, but of "
            "what is in it only that");
        return {"passage", kDone, std::move(reasons)};
      }
      break;
    case Access::kNone:
    case Access::kClosed:
      break;
  }
  for (std::string& reason : why_not(asker, explanation, path, now))
    reasons.push_back(std::move(reason));
  return {"deny", kDenied, std::move(reasons)};
}

const char* name_of(StoreContent content) {
  switch (content) {
    case StoreContent::kAbsent:
      return "absent";
    case StoreContent::kFile:
      return "file";
    case StoreContent::kFolder:
      return "folder";
    case StoreContent::kMount:
      return "mount";
    case StoreContent::kOther:
      return "other";
    case StoreContent::kUnknown:
      break;
  }
  return "unknown";
}

Json signature_json(const Explanation::Signed& signature) {
  Json object;
  object["key"] = signature.claims.key_id;
  object["genuine"] = signature.is_genuine;
  put_bytes(object, "path", signature.claims.path.spelling());
  object["expires"] = to_json(signature.claims.expires);
  object["until"] = to_json(signature.until);
  object["address"] = nullptr;
  if (!signature.claims.address.empty()) object["address"] = signature.claims.address;
  return object;
}

Json link_json(const Explanation::Link& link) {
  Json object;
  put_bytes(object, "principal", link.principal.text());
  put_bytes(object, "path", link.path.spelling());
  object["expires"] = to_json(link.expires);
  object["address"] = nullptr;
  if (!link.address.empty()) put_bytes(object, "address", link.address);
  object["uses"] = nullptr;
  if (link.uses) object["uses"] = *link.uses;
  return object;
}

void print_json(const Asker& asker, const grantfs::StorePath& path, const Explanation& explanation,
                StoreContent content, const Verdict& verdict, Timestamp now) {
  Json document;
  document["verdict"] = verdict.word;
  put_bytes(document, "identity", asker.name);
  put_bytes(document, "path", path.spelling());
  document["reasons"] = verdict.reasons;
  document["session"] = nullptr;
  if (explanation.session) {
    Json session;
    put_bytes(session, "principal", explanation.session->principal.text());
    session["expires"] = to_json(explanation.session->expires);
    session["address"] = nullptr;
    if (!explanation.session->address.empty()) {
      put_bytes(session, "address", explanation.session->address);
    }
    document["session"] = std::move(session);
  }
  document["link"] = nullptr;
  if (explanation.link) document["link"] = link_json(*explanation.link);
  document["signature"] = nullptr;
  if (explanation.signature) document["signature"] = signature_json(*explanation.signature);
  document["rule"] = nullptr;
  if (explanation.rule) document["rule"] = to_json(*explanation.rule, now);
  document["membership"] = to_json(explanation.membership);
  document["expired"] = Json::array();
  for (const Rule& rule : explanation.expired) document["expired"].push_back(to_json(rule, now));
  document["owner"] = nullptr;
  if (explanation.owner) document["owner"] = to_json(*explanation.owner, now);
  document["store"] = name_of(content);
  print(document);
}

Result<int> run_check(Context& context, const CheckArguments& arguments) {
  auto path = parse_path(context, arguments.path);
  if (!path) return path.error();
  auto from = parse_from(arguments.from);
  if (!from) return from.error();
  auto asker = parse_identity(arguments.identity, *from);
  if (!asker) return asker.error();
  auto explanation = context.explain(asker->identity, *path);
  if (!explanation) return explanation.error();

  const StoreContent content = look_in_store(context, *path);
  const Timestamp now = grantfs::system_now();
  const Verdict verdict =
      judge(*asker, *explanation, *path, content, why_not_there(context, *path, content), now);
  if (context.json) {
    print_json(*asker, *path, *explanation, content, verdict, now);
    return verdict.status;
  }
  std::string who = escaped(asker->name);
  if (explanation->session) {
    who += fmt::format(" ({})", escaped(explanation->session->principal.text()));
  }
  if (explanation->link) who += fmt::format(" ({})", escaped(explanation->link->principal.text()));
  print_line(fmt::format("{}: {}, {}", verdict.word, who, quoted(shown(*path))));
  for (const std::string& reason : verdict.reasons) print_line("  " + reason);
  return verdict.status;
}

}  // namespace

void add_check(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "check", "May this identity read this path, and why? Exit status 0 if so, 1 if not",
      "  grantctl check user:1042 uploads/7f3a9c/film.mp4\n"
      "  grantctl check uid:alice /srv/photos/album\n"
      "  printf '%s\\n' \"$TOKEN\" | grantctl check session:- album/1.jpg");
  auto arguments = std::make_shared<CheckArguments>();
  command
      .add_option(
          "IDENTITY", arguments->identity,
          "a principal; or session:-, link:- or signature:-, with the token on standard input")
      ->required();
  command.add_option("PATH", arguments->path, "in the store")->required();
  command
      .add_option("--source", context.source_option,
                  "the configuration of a policy source; default: that of the running daemon")
      ->type_name("FILE");
  command.add_option("--from", arguments->from, "the address that a token comes from")
      ->type_name("ADDRESS");
  on_run(command, context, [arguments](Context& shared) { return run_check(shared, *arguments); });
}

}  // namespace grantctl
