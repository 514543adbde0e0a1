#include <fmt/core.h>
#include <fmt/ranges.h>

#include <memory>
#include <optional>
#include <utility>

#include "base/quote.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantfs/table_source.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::quoted;
using grantfs::Result;
using grantfs::TableSource;

namespace {

/// For --principal-prefix and --group-prefix: the column holds whole principals.
constexpr std::string_view kNoPrefix = "none";

struct SourceArguments {
  std::string kind;
  std::string table;
  std::string path_column;
  std::string strip_prefix;
  std::string group_column;
  std::string group_prefix = "group:";
  std::string token_column;
  std::string token_hash_column;
  std::string principal_column;
  std::string principal_prefix = "user:";
  std::string expires_column;
  bool unix_seconds = false;
  bool skip_invalid = false;
  bool security_definer = false;
  bool drop = false;
};

Error wrong(std::string message) {
  return {ErrorKind::kInvalid, std::move(message)};
}

/// A name as SQL has it up to a dot, but that upper case stays without quotes; takes it off `text`.
/// None if its quotes do not end, or something else follows them.
std::optional<std::string> take_name(std::string_view& text) {
  std::string name;
  if (!text.starts_with('"')) {
    name = text.substr(0, text.find('.'));
    text.remove_prefix(name.size());
    return name;
  }
  text.remove_prefix(1);
  for (auto quote = text.find('"'); quote != std::string_view::npos; quote = text.find('"')) {
    name += text.substr(0, quote);
    text.remove_prefix(quote + 1);
    if (!text.starts_with('"')) {
      return text.empty() || text.starts_with('.') ? std::optional(name) : std::nullopt;
    }
    name += '"';
    text.remove_prefix(1);
  }
  return std::nullopt;
}

/// --table [SCHEMA.]NAME
Result<void> read_table(const std::string& text, TableSource& source) {
  std::string_view rest = text;
  source.schema = "public";
  auto name = take_name(rest);
  if (name && rest.starts_with('.')) {
    source.schema = *name;
    rest.remove_prefix(1);
    name = take_name(rest);
  }
  if (!name || name->empty() || source.schema.empty() || !rest.empty()) {
    return wrong(
        fmt::format("--table {} is no name of a table; write NAME or SCHEMA.NAME, and "
                    "a name with a dot in it in double quotes",
                    quoted(text)));
  }
  source.table = *name;
  return {};
}

Result<TableSource::Kind> read_kind(const SourceArguments& arguments) {
  using Kind = TableSource::Kind;
  const std::string& kind = arguments.kind;
  if (kind == "own") return Kind::kOwn;
  if (kind == "grant") return Kind::kGrant;
  if (kind == "member") return Kind::kMember;
  if (kind == "session") return Kind::kSession;
  if (!kind.empty()) {
    return wrong(
        fmt::format("no kind {}; write --kind own, grant, member or session", quoted(kind)));
  }
  if (!arguments.path_column.empty()) return Kind::kGrant;
  if (!arguments.group_column.empty()) return Kind::kMember;
  if (!arguments.token_column.empty() || !arguments.token_hash_column.empty()) {
    return Kind::kSession;
  }
  return wrong(
      "what does a row say? Name the column that has the path of a file by --path-column, that "
      "has the group of a member by --group-column, or that has the token of a session by "
      "--token-column or --token-hash-column");
}

std::string_view name_of(TableSource::Kind kind) {
  switch (kind) {
    case TableSource::Kind::kOwn:
      return "own";
    case TableSource::Kind::kGrant:
      return "grant";
    case TableSource::Kind::kMember:
      return "member";
    case TableSource::Kind::kSession:
      break;
  }
  return "session";
}

/// An option, whether it was given, and whether it goes with the kind.
struct Use {
  std::string_view option;
  bool given;
  bool fits;
};

Result<void> check_options(const SourceArguments& arguments, TableSource::Kind kind) {
  using Kind = TableSource::Kind;
  const bool of_paths = kind == Kind::kOwn || kind == Kind::kGrant;
  for (const Use& use :
       {Use{"--path-column", !arguments.path_column.empty(), of_paths},
        Use{"--strip-prefix", !arguments.strip_prefix.empty(), of_paths},
        Use{"--group-column", !arguments.group_column.empty(), kind == Kind::kMember},
        Use{"--token-column", !arguments.token_column.empty(), kind == Kind::kSession},
        Use{"--token-hash-column", !arguments.token_hash_column.empty(), kind == Kind::kSession},
        Use{"--expires-column", !arguments.expires_column.empty(), kind != Kind::kOwn}}) {
    if (use.given && !use.fits) {
      return wrong(fmt::format("{} does not go with --kind {}{}", use.option, name_of(kind),
                               kind == Kind::kOwn && use.option == "--expires-column"
                                   ? ", since an owner has no end; write --kind grant"
                                   : "; leave it out, or write another kind"));
    }
  }
  const auto lacks = [&](std::string_view option, std::string_view what) {
    return wrong(fmt::format("{} is needed with --kind {}: {}", option, name_of(kind), what));
  };
  if (of_paths && arguments.path_column.empty()) {
    return lacks("--path-column", "the column with the path of the file");
  }
  if (kind == Kind::kMember && arguments.group_column.empty()) {
    return lacks("--group-column", "the column with the group");
  }
  if (kind == Kind::kSession) {
    if (arguments.token_column.empty() == arguments.token_hash_column.empty()) {
      return lacks("one of --token-column and --token-hash-column",
                   "the column with the token, or with its SHA-256");
    }
    if (arguments.expires_column.empty()) {
      return lacks("--expires-column", "the column that says when the session ends");
    }
  }
  if (arguments.unix_seconds && arguments.expires_column.empty()) {
    return wrong("--unix-seconds is about --expires-column; name that, or leave it out");
  }
  return {};
}

Result<std::string> read_prefix(std::string_view option, const std::string& text,
                                std::initializer_list<std::string_view> beginnings) {
  if (text == kNoPrefix) return std::string();
  for (const std::string_view beginning : beginnings) {
    if (text.starts_with(beginning)) return text;
  }
  return wrong(
      fmt::format("{} {} begins no principal; write {}, or {} if the column has whole ones", option,
                  quoted(text), fmt::join(beginnings, ", "), kNoPrefix));
}

Result<void> check_names(const TableSource& source) {
  for (const std::string* name :
       {&source.schema, &source.table, &source.principal_column, &source.path_column,
        &source.group_column, &source.token_column, &source.expires_column}) {
    if (name->size() > TableSource::kMostNameBytes) {
      return wrong(fmt::format("{} is longer than {} bytes, and no name in PostgreSQL is",
                               quoted(*name), TableSource::kMostNameBytes));
    }
  }
  return {};
}

/// The argument as a shell takes it.
std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:";
  if (text.find_first_not_of(kPlain) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + '\'';
}

/// The command line with all that counts, however it was typed.
std::string command_line(const SourceArguments& arguments, TableSource::Kind kind) {
  std::string line = fmt::format("grantctl source postgresql --kind {}", name_of(kind));
  const auto add = [&](std::string_view option, std::string_view value) {
    if (!value.empty()) line += fmt::format(" {} {}", option, shell_word(value));
  };
  add("--table", arguments.table);
  add("--path-column", arguments.path_column);
  add("--strip-prefix", arguments.strip_prefix);
  add("--token-column", arguments.token_column);
  add("--token-hash-column", arguments.token_hash_column);
  add("--principal-column", arguments.principal_column);
  add("--principal-prefix", arguments.principal_prefix);
  if (kind == TableSource::Kind::kMember) {
    add("--group-column", arguments.group_column);
    add("--group-prefix", arguments.group_prefix);
  }
  add("--expires-column", arguments.expires_column);
  if (arguments.unix_seconds) line += " --unix-seconds";
  if (arguments.skip_invalid) line += " --skip-invalid";
  if (arguments.security_definer) line += " --security-definer";
  return line;
}

Result<TableSource> read_source(const SourceArguments& arguments) {
  TableSource source;
  if (auto read = read_table(arguments.table, source); !read) return read.error();
  auto kind = read_kind(arguments);
  if (!kind) return kind.error();
  if (auto fit = check_options(arguments, *kind); !fit) return fit.error();
  auto prefix = read_prefix("--principal-prefix", arguments.principal_prefix,
                            {"user:", "group:", "uid:", "gid:"});
  if (!prefix) return prefix.error();
  auto group_prefix = read_prefix("--group-prefix", arguments.group_prefix, {"group:"});
  if (!group_prefix) return group_prefix.error();
  source.kind = *kind;
  source.principal_column = arguments.principal_column;
  source.principal_prefix = *prefix;
  source.path_column = arguments.path_column;
  if (!arguments.strip_prefix.empty()) {
    source.strip_prefix = arguments.strip_prefix;
    while (source.strip_prefix.ends_with('/')) source.strip_prefix.pop_back();
    source.strip_prefix += '/';
  }
  source.group_column = arguments.group_column;
  source.group_prefix = *group_prefix;
  source.token_is_hashed = !arguments.token_hash_column.empty();
  source.token_column =
      source.token_is_hashed ? arguments.token_hash_column : arguments.token_column;
  source.expires_column = arguments.expires_column;
  source.expires_is_number = arguments.unix_seconds;
  source.skip_invalid = arguments.skip_invalid;
  source.security_definer = arguments.security_definer;
  source.command = command_line(arguments, *kind);
  if (auto fit = check_names(source); !fit) return fit.error();
  return source;
}

Result<int> run_source_postgresql(const Context& context, const SourceArguments& arguments) {
  auto source = read_source(arguments);
  if (!source) return source.error();
  const std::string sql =
      arguments.drop ? grantfs::table_source_drop_sql(*source) : grantfs::table_source_sql(*source);
  if (!context.json) {
    print_text(sql);
    return kDone;
  }
  Json document;
  put_bytes(document, "sql", sql);
  print(document);
  return kDone;
}

void add_source_postgresql(CLI::App& source, Context& context) {
  CLI::App& command = add_command(
      source, "postgresql",
      "Print SQL for psql: triggers by which rows of an application's table are rules, members\n"
      "or sessions of the policy in the same database, and what the rows there give",
      "  grantctl source postgresql --table uploads --path-column file \\\n"
      "      --principal-column user_id | psql -v ON_ERROR_STOP=1 photos\n"
      "  grantctl source postgresql --table team_members --group-column team_id \\\n"
      "      --principal-column user_id\n"
      "  grantctl source postgresql --table logins --token-column token \\\n"
      "      --principal-column user_id --expires-column expires");
  auto arguments = std::make_shared<SourceArguments>();
  const auto column = [&](const char* name, std::string& value, const char* help) {
    return command.add_option(name, value, help)->type_name("NAME");
  };
  column("--table", arguments->table,
         "the table: NAME in the schema public, or SCHEMA.NAME; a name with a dot in double quotes")
      ->required();
  column("--principal-column", arguments->principal_column,
         "the column with the user who owns, may read, is a member or is logged in")
      ->required();
  column("--path-column", arguments->path_column,
         "for files: the column with the path, which the principal may read");
  column("--group-column", arguments->group_column, "for members: the column with the group");
  column("--token-column", arguments->token_column,
         "for sessions: the column with the token; the policy gets its SHA-256");
  column("--token-hash-column", arguments->token_hash_column,
         "for sessions: the column with the token's SHA-256, bytea or lowercase hexadecimal");
  column("--expires-column", arguments->expires_column,
         "when it ends, a timestamp with time zone; NULL: never");
  command.add_flag("--unix-seconds", arguments->unix_seconds,
                   "the end is a number of Unix seconds instead");
  command
      .add_option("--kind", arguments->kind,
                  "what a row gives: own, grant, member or session; default: grant for a path, "
                  "member for a group, session for a token")
      ->type_name("own|grant|member|session");
  command
      .add_option("--principal-prefix", arguments->principal_prefix,
                  "what to put before each principal; default: user:; none if it is whole")
      ->type_name("TEXT");
  command
      .add_option("--group-prefix", arguments->group_prefix,
                  "what to put before each group; default: group:; none if it is whole")
      ->type_name("TEXT");
  command
      .add_option("--strip-prefix", arguments->strip_prefix,
                  "the folder that every path begins with, to be taken off")
      ->type_name("FOLDER");
  command.add_flag("--skip-invalid", arguments->skip_invalid,
                   "a row that the policy cannot take gives nothing, instead of an error");
  command.add_flag("--security-definer", arguments->security_definer,
                   "for applications whose roles have no right on the schema grantfs");
  command.add_flag("--drop", arguments->drop,
                   "print what removes the triggers and all that the rows give");
  on_run(command, context,
         [arguments](Context& shared) { return run_source_postgresql(shared, *arguments); });
}

}  // namespace

void add_source(CLI::App& app, Context& context) {
  CLI::App& source =
      add_command(app, "source", "Tables of an application as a source of the policy: postgresql",
                  "  grantctl source postgresql --table uploads --path-column file \\\n"
                  "      --principal-column user_id | psql -v ON_ERROR_STOP=1 photos");
  source.require_subcommand(1);
  add_source_postgresql(source, context);
}

}  // namespace grantctl
