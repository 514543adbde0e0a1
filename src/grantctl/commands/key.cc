#include <fmt/core.h>
#include <fmt/ranges.h>

#include <iostream>

#include "base/quote.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/recall.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::Secret;

namespace {

constexpr std::string_view kSignature = "signature";
constexpr std::string_view kMd5 = "md5";

struct KeyCreateArguments {
  std::string id;
  std::string format{kSignature};
  std::string expression;
  std::string uri_prefix;
  std::optional<std::string> path;  ///< none means the whole store
  std::string secret;
};

/// The MD5 expression that the key is to have; none for a key of format signature.
Result<std::optional<grantfs::Md5Expression>> chosen_expression(
    const KeyCreateArguments& arguments) {
  using Chosen = std::optional<grantfs::Md5Expression>;
  if (arguments.format == kMd5) {
    auto expression = grantfs::Md5Expression::parse(
        arguments.expression.empty() ? grantfs::Md5Expression::kDocumented : arguments.expression);
    if (!expression) return expression.error();
    return Chosen(std::move(*expression));
  }
  if (arguments.format != kSignature) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("no format {}; write --format signature or --format md5",
                             quoted(arguments.format))};
  }
  if (!arguments.expression.empty() || !arguments.uri_prefix.empty()) {
    return Error{ErrorKind::kInvalid,
                 "--expression and --uri-prefix are for keys of nginx's secure_link; write "
                 "--format md5"};
  }
  return Chosen();
}

/// The MD5 keys with a shorter prefix: a new key with this prefix takes URIs from them.
Result<std::vector<std::string>> keys_overruled_by(grantfs::Admin& admin,
                                                   std::string_view uri_prefix) {
  auto keys = admin.signing_keys();
  if (!keys) return keys.error();
  std::vector<std::string> overruled;
  const auto folder = std::string(grantfs::bare_prefix(uri_prefix)) + '/';
  for (const grantfs::SigningKey& key : *keys) {
    const auto shorter = std::string(grantfs::bare_prefix(key.uri_prefix)) + '/';
    if (key.expression && shorter.size() < folder.size() && folder.starts_with(shorter)) {
      overruled.push_back(key.id);
    }
  }
  return overruled;
}

Result<int> run_key_create(Context& context, const KeyCreateArguments& arguments) {
  if (!arguments.secret.empty() && arguments.secret != "-") {
    return Error{ErrorKind::kInvalid,
                 "a secret is never an argument, since every process could read it there; write "
                 "--secret - and give it on standard input"};
  }
  auto expression = chosen_expression(arguments);
  if (!expression) return expression.error();
  auto path = arguments.path ? parse_path(context, *arguments.path)
                             : Result<grantfs::StorePath>(grantfs::StorePath());
  if (!path) return path.error();

  const bool given = arguments.secret == "-";
  Secret secret;
  if (given) {
    auto read = read_secret();
    if (!read) return read.error();
    secret = std::move(*read);
  } else {
    secret = grantfs::generate_signing_secret();
  }
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  survive_broken_pipe();
  auto overruled = *expression ? keys_overruled_by(**admin, arguments.uri_prefix)
                               : Result<std::vector<std::string>>(std::vector<std::string>());
  if (!overruled) return overruled.error();
  auto id = (*admin)->create_signing_key(
      {arguments.id, *expression, arguments.uri_prefix, *path, secret.view()});
  if (!id) return id.error();
  Json recall;
  if (*expression) recall = recall_leases(context, WithoutDaemon::kBeQuiet);
  if (!overruled->empty()) {
    complain(
        fmt::format("note: URIs below {} are this key's alone from now on; what {} signed "
                    "there opens no more, unless this key would have signed it",
                    quoted(arguments.uri_prefix), fmt::join(*overruled, ", ")));
  }

  if (context.json) {
    Json document;
    document["id"] = *id;
    if (!given) document["secret"] = secret.view();
    document["format"] = arguments.format;
    put_bytes(document, "path", path->spelling());
    document["recall"] = std::move(recall);
    print(document);
  } else if (given) {
    print_line(*id);
  } else {
    std::cout << *id << ' ' << secret.view() << '\n';
  }
  if (!std::cout.flush()) {
    const auto removed = (*admin)->remove_signing_key(*id);
    if (*expression) (void)recall_leases(context, WithoutDaemon::kBeQuiet);
    return undelivered("key", *id, removed);
  }
  return kDone;
}

Result<int> run_key_ls(Context& context) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto keys = (*admin)->signing_keys();
  if (!keys) return keys.error();
  const auto now = grantfs::system_now();
  if (context.json) {
    Json document;
    document["keys"] = Json::array();
    for (const grantfs::SigningKey& key : *keys) {
      Json object;
      object["id"] = key.id;
      object["format"] = key.expression ? kMd5 : kSignature;
      put_bytes(object, "path", key.path.spelling());
      object["expression"] = nullptr;
      object["uri_prefix"] = nullptr;
      if (key.expression) {
        put_bytes(object, "expression", *key.expression);
        put_bytes(object, "uri_prefix", key.uri_prefix);
      }
      object["created"] = key.created.time_since_epoch().count();
      object["retired"] = to_json(key.retired);
      document["keys"].push_back(std::move(object));
    }
    print(document);
    return kDone;
  }
  Table table({"ID", "FORMAT", "PATH", "URI PREFIX", "EXPRESSION", "CREATED", "RETIRED"});
  for (const grantfs::SigningKey& key : *keys) {
    std::string retired = "no";
    if (key.retired) {
      retired = (grantfs::is_live(key.retired, now) ? "will be at " : "") +
                grantfs::format_timestamp(*key.retired);
    }
    table.add({key.id, std::string(key.expression ? kMd5 : kSignature), shown(key.path),
               key.expression ? key.uri_prefix : "-", key.expression.value_or("-"),
               grantfs::format_timestamp(key.created), std::move(retired)});
  }
  table.print();
  return kDone;
}

int finish_key(Context& context, const grantfs::RowCounts& counts) {
  return recall_and_report(context, counts, "no such signing key; see: grantctl key ls");
}

struct KeyRetireArguments {
  std::string id;
  std::string when;
};

Result<int> run_key_retire(Context& context, const KeyRetireArguments& arguments) {
  auto when = parse_expires(arguments.when);
  if (!when) return when.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->retire_signing_key(arguments.id, when->value_or(grantfs::system_now()));
  if (!counts) return counts.error();
  return finish_key(context, *counts);
}

Result<int> run_key_rm(Context& context, const std::string& id) {
  auto admin = context.open_admin();
  if (!admin) return admin.error();
  auto counts = (*admin)->remove_signing_key(id);
  if (!counts) return counts.error();
  return finish_key(context, *counts);
}

void add_key_create(CLI::App& key, Context& context) {
  CLI::App& command = add_command(
      key, "create",
      "Make a signing key and print its id and its secret, this once; or store a secret that "
      "exists",
      "  grantctl key create --path uploads\n"
      "  printf '%s\\n' \"$SECRET\" | grantctl key create --format md5 --uri-prefix /s/ \\\n"
      "      --path downloads --expression '$secure_link_expires$uri $secret' --secret -");
  auto arguments = std::make_shared<KeyCreateArguments>();
  command.add_option("--id", arguments->id, "1 to 32 of A-Z a-z 0-9; default: made up");
  command
      .add_option("--format", arguments->format,
                  "signature, for grantctl sign and by-signature (the default); or md5, for URLs "
                  "of nginx's secure_link and by-md5")
      ->type_name("FORMAT");
  command
      .add_option(
          "--expression", arguments->expression,
          "md5: what nginx's configuration has as secure_link_md5, with $secret in the "
          "place of the secret, and $folder in that of $uri for one signature for all that is in a "
          "folder; default: '$secure_link_expires$uri$remote_addr $secret'")
      ->type_name("TEXT");
  command
      .add_option("--uri-prefix", arguments->uri_prefix,
                  "md5: the part of the site's URIs that stands for the path")
      ->type_name("/PREFIX/");
  command
      .add_option("--path", arguments->path,
                  "the file or folder that it may sign for, and all below; default: the whole "
                  "store")
      ->type_name("PATH");
  command
      .add_option("--secret", arguments->secret,
                  "only '-': read the secret from standard input, and print the id alone")
      ->type_name("-");
  on_run(command, context,
         [arguments](Context& shared) { return run_key_create(shared, *arguments); });
}

void add_key_retire(CLI::App& key, Context& context) {
  CLI::App& command = add_command(
      key, "retire", "Nothing that the key signed counts any more, now or from a time on",
      "  grantctl key retire k7q2m4xz\n"
      "  grantctl key retire k7q2m4xz --at 7d");
  auto arguments = std::make_shared<KeyRetireArguments>();
  command.add_option("ID", arguments->id, "the key")->required();
  command
      .add_option("--at", arguments->when,
                  "from when: 90s, 15m, 8h, 7d, an ISO 8601 time with its zone, or a day (its "
                  "end); default: now")
      ->type_name("WHEN");
  on_run(command, context,
         [arguments](Context& shared) { return run_key_retire(shared, *arguments); });
}

void add_key_rm(CLI::App& key, Context& context) {
  CLI::App& command =
      add_command(key, "rm", "Delete a signing key: nothing it signed counts any more",
                  "  grantctl key rm k7q2m4xz");
  auto id = std::make_shared<std::string>();
  command.add_option("ID", *id, "the key")->required();
  on_run(command, context, [id](Context& shared) { return run_key_rm(shared, *id); });
}

}  // namespace

void add_key(CLI::App& app, Context& context) {
  CLI::App& key =
      add_command(app, "key", "Keys that sign URLs", "  grantctl key create --path uploads");
  key.require_subcommand(1);
  add_key_create(key, context);
  CLI::App& list = add_command(key, "ls", "The signing keys, oldest first, without their secrets",
                               "  grantctl key ls");
  on_run(list, context, [](Context& shared) { return run_key_ls(shared); });
  add_key_retire(key, context);
  add_key_rm(key, context);
}

}  // namespace grantctl
