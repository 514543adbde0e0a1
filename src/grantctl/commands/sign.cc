#include <fmt/core.h>

#include <algorithm>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantfs/address.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Secret;
using grantfs::StorePath;
using grantfs::Timestamp;
using grantfs::UsableSigningKey;

namespace {

struct SignArguments {
  std::string path;
  std::string expires;
  std::string address;
  std::string key;
  std::string url_prefix;
};

/// The part of a URL that a web server puts behind its prefix.
struct SignedUrl {
  Secret door;       ///< in by-signature, or by-md5
  std::string rest;  ///< not escaped
};

/// Chooses a key of ours that may sign for the path: the newest that lasts until `expires`, or else
/// the one that lasts longest.
Result<std::string> choose_key(grantfs::Admin& admin, const StorePath& path, Timestamp expires) {
  auto keys = admin.signing_keys();
  if (!keys) return keys.error();
  const auto now = grantfs::system_now();
  const grantfs::SigningKey* best = nullptr;
  const auto lasts = [&](const grantfs::SigningKey& key) {
    return std::min(key.retired.value_or(expires), expires);
  };
  for (const grantfs::SigningKey& key : *keys) {
    if (key.expression || !grantfs::is_live(key.retired, now) || !key.path.covers(path)) continue;
    if (best == nullptr || lasts(key) >= lasts(*best)) best = &key;
  }
  if (best == nullptr) {
    return Error{ErrorKind::kNotFound,
                 fmt::format("no signing key covers {}; see: grantctl key ls; make one with: "
                             "grantctl key create",
                             quoted(shown(path)))};
  }
  return best->id;
}

Result<SignedUrl> sign_ours(const UsableSigningKey& key, const StorePath& path, Timestamp expires,
                            const std::string& address) {
  auto network = parse_network(address);
  if (!network) return network.error();
  auto token =
      grantfs::sign({key.id, expires, *network ? (*network)->text() : "", path}, key.secret.view());
  if (!token) return token.error();
  return SignedUrl{std::move(*token), std::string(path.name())};
}

/// Returns kConflict if another key alone signs the URI, since that key has a longer prefix.
Result<void> check_longest_prefix(grantfs::Admin& admin, const UsableSigningKey& key,
                                  const std::string& uri) {
  auto keys = admin.signing_keys();
  if (!keys) return keys.error();
  for (const grantfs::SigningKey& other : *keys) {
    const bool longer =
        grantfs::bare_prefix(other.uri_prefix).size() > grantfs::bare_prefix(key.uri_prefix).size();
    if (!other.expression || !longer || !grantfs::path_of_uri(uri, other.uri_prefix, StorePath())) {
      continue;
    }
    return Error{ErrorKind::kConflict,
                 fmt::format("{} lies below {}, the longer URI prefix of the key {}, which alone "
                             "can sign for it; name the file as that key's path has it, with --key "
                             "{}",
                             quoted(uri), quoted(other.uri_prefix), other.id, other.id)};
  }
  return {};
}

/// The number of folders of the URI below the prefix.
std::size_t folders_below(std::string_view uri_prefix, std::string_view uri) {
  return std::ranges::count(uri.substr(grantfs::bare_prefix(uri_prefix).size()), '/');
}

Result<SignedUrl> sign_md5(grantfs::Admin& admin, const UsableSigningKey& key,
                           const StorePath& path, Timestamp expires, const std::string& address) {
  if (!address.empty()) {
    auto parsed = grantfs::Address::parse(address);
    if (!parsed) return parsed.error();
  }
  if (key.expression->is_bound_to_an_address() == address.empty()) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("the expression of the key {} has {}$remote_addr; {} --address", key.id,
                    address.empty() ? "" : "no ", address.empty() ? "write" : "leave out")};
  }
  const bool of_folders = key.expression->is_of_folders();
  if (path == key.path && !of_folders) {
    return Error{ErrorKind::kInvalid, "only a file below the key's path has a URI; name one"};
  }
  std::string uri(grantfs::bare_prefix(key.uri_prefix));
  if (path != key.path) {
    uri += '/';
    uri += path.text().substr(key.path.is_root() ? 0 : key.path.text().size() + 1);
  }
  if (of_folders && folders_below(key.uri_prefix, uri) >= grantfs::kMaxSignedFolders) {
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} lies too deep below {} to be signed as a folder; sign one above it",
                    grantfs::quoted(uri), grantfs::quoted(key.uri_prefix))};
  }
  if (auto alone = check_longest_prefix(admin, key, uri); !alone) return alone.error();
  const auto md5 = key.expression->digest({expires}, uri, address, key.secret.view());
  if (of_folders) uri += '/';
  if (!md5) return Error{ErrorKind::kSystem, "this machine's OpenSSL does not do MD5"};
  const std::string until = std::to_string(expires.time_since_epoch().count());
  return SignedUrl{Secret::joined({until, "/", grantfs::Md5Mark::spell(*md5).view()}),
                   uri.substr(1)};
}

Result<int> run_sign(Context& context, const SignArguments& arguments) {
  auto path = parse_path(context, arguments.path);
  if (!path) return path.error();
  auto expires = parse_expires(arguments.expires);
  if (!expires) return expires.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto id = arguments.key.empty() ? choose_key(**admin, *path, **expires)
                                  : Result<std::string>(arguments.key);
  if (!id) return id.error();
  auto key = (*admin)->usable_signing_key(*id);
  if (!key) return key.error();
  if (!grantfs::is_live(key->retired, grantfs::system_now())) {
    return Error{ErrorKind::kConflict, fmt::format("the key {} is retired since {}", key->id,
                                                   grantfs::format_timestamp(*key->retired))};
  }
  if (!key->path.covers(*path)) {
    return Error{ErrorKind::kConflict,
                 fmt::format("the key {} signs for {} and what is below alone, and not for {}",
                             key->id, quoted(shown(key->path)), quoted(shown(*path)))};
  }
  auto made = key->expression ? sign_md5(**admin, *key, *path, **expires, arguments.address)
                              : sign_ours(*key, *path, **expires, arguments.address);
  if (!made) return made.error();
  if (key->retired && *key->retired < **expires) {
    complain(fmt::format("note: the key {} retires at {}, and what it signed with it", key->id,
                         grantfs::format_timestamp(*key->retired)));
  }

  Secret url;
  if (const std::string_view prefix = arguments.url_prefix; !prefix.empty()) {
    url = Secret::joined({prefix, prefix.ends_with('/') ? "" : "/", made->door.view(), "/",
                          percent_encoded(made->rest)});
  }
  if (!context.json) {
    print_line(url.empty() ? made->door.view() : url.view());
    return kDone;
  }
  Json document;
  document["key"] = key->id;
  put_bytes(document, "path", path->text());
  document["expires"] = to_json(*expires);
  document["door"] =
      Secret::joined({key->expression ? "by-md5/" : "by-signature/", made->door.view()}).view();
  put_bytes(document, "rest", made->rest);
  document["url"] = nullptr;
  if (!url.empty()) document["url"] = url.view();
  print(document);
  return kDone;
}

}  // namespace

void add_sign(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "sign",
      "Print a signature, which opens a path until it expires, without anything being stored",
      "  grantctl sign uploads/7f3a9c/film.mp4 --expires 1h \\\n"
      "      --url-prefix https://example.org/signed/");
  auto arguments = std::make_shared<SignArguments>();
  command.add_option("PATH", arguments->path, "a file, or a folder with all below it")->required();
  add_expires(command, arguments->expires)->required();
  command
      .add_option("--address", arguments->address,
                  "the client's address, or a network: it opens below from/ADDRESS/ alone")
      ->type_name("IP");
  command
      .add_option("--key", arguments->key,
                  "which key; default: the newest of format signature that covers the path")
      ->type_name("ID");
  command
      .add_option("--url-prefix", arguments->url_prefix,
                  "print the whole URL, beginning with this; default: the signature alone")
      ->type_name("URL");
  on_run(command, context, [arguments](Context& shared) { return run_sign(shared, *arguments); });
}

}  // namespace grantctl
