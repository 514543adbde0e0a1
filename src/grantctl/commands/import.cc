#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <charconv>

#include "base/quote.h"
#include "base/unique_fd.h"
#include "grantctl/arguments.h"
#include "grantctl/commands/commands.h"
#include "grantctl/output.h"
#include "grantctl/progress.h"
#include "grantctl/recall.h"
#include "grantctl/rows/policy_rows.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::ImportCounts;
using grantfs::ImportedTable;
using grantfs::PolicyRow;
using grantfs::quoted;
using grantfs::Result;

namespace {

struct ImportArguments {
  std::string file;
  std::string table;
  std::string query;
  RowFormat format;
  bool replace = false;
  std::string max_delete;
};

bool is_sqlite_database(const std::string& file) {
  constexpr std::string_view kMagic("SQLite format 3\0", 16);  // fileformat.html, 1.3
  const grantfs::UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  std::string start(kMagic.size(), '\0');
  return fd &&
         ::pread(fd.get(), start.data(), start.size(), 0) == static_cast<ssize_t>(start.size()) &&
         start == kMagic;
}

/// The query that SELECTs the named columns FROM the table.
std::string table_query(const ImportArguments& arguments) {
  const RowFormat& format = arguments.format;
  const std::string table = sql_name(arguments.table);
  std::string columns;
  const auto add = [&](const std::string& column) {
    if (!columns.empty()) columns += ", ";
    columns += fmt::format("{}.{}", table, sql_name(column));
  };
  if (!format.names_columns()) return fmt::format("SELECT * FROM {}", table);
  add(format.principal_column.empty() ? "principal" : format.principal_column);
  add(format.path_column.empty() ? "path" : format.path_column);
  if (!format.expires_column.empty()) add(format.expires_column);
  return fmt::format("SELECT {} FROM {}", columns, table);
}

Result<std::unique_ptr<Records>> open_records(const ImportArguments& arguments) {
  if (!arguments.query.empty()) return read_query(arguments.file, arguments.query);
  if (!arguments.table.empty()) return read_query(arguments.file, table_query(arguments));
  if (is_sqlite_database(arguments.file)) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is an SQLite database; say with --table or --query what to read",
                             quoted(arguments.file))};
  }
  return read_csv(arguments.file);
}

/// Reads `--max-delete N` or `--max-delete N%`.
Result<void> parse_max_delete(const std::string& text, grantfs::ImportOptions& options) {
  if (text.empty()) return {};
  const bool is_share = text.ends_with('%');
  const std::string_view digits(text.data(), text.size() - (is_share ? 1 : 0));
  double number = -1;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), number);
  const bool is_whole = digits.find_first_not_of("0123456789") == std::string_view::npos;
  constexpr double kWholeInPercent = 100;
  constexpr double kMost = 1e15;
  const bool fits = error == std::errc() && end == digits.end() && number >= 0 &&
                    (is_share ? number <= kWholeInPercent : is_whole && number <= kMost);
  if (!fits) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("--max-delete {}: write a number of rows, or a share of those there "
                             "are, from 0% to 100%",
                             quoted(text))};
  }
  if (is_share) {
    options.largest_share_removed = number / kWholeInPercent;
  } else {
    options.most_removed = static_cast<std::int64_t>(number);
  }
  return {};
}

/// A stream that broke off looks like one that is complete, and what it did not bring would be
/// deleted. So a stream that replaces has to say that it is complete.
Result<void> check_is_complete(const Records& records) {
  if (records.is_complete()) return {};
  return Error{
      ErrorKind::kInvalid,
      fmt::format("{} {}: the rows end without a line that says so, and may have broken "
                  "off; --replace would delete what is missing. End a stream by the line "
                  "\\. once all is written: {{ COMMAND && echo '\\.'; }} | grantctl import "
                  "--replace -",
                  records.numbered(), records.number())};
}

Json imported_json(const ImportedTable& table) {
  return {{"added", table.added},
          {"changed", table.changed},
          {"removed", table.removed},
          {"unchanged", table.unchanged}};
}

std::string shown_imported(std::string_view name, const ImportedTable& table) {
  return fmt::format("{:<13}{} added, {} changed, {} removed, {} as they were", name, table.added,
                     table.changed, table.removed, table.unchanged);
}

Result<ImportCounts> import_rows(const Context& context, const ImportArguments& arguments) {
  auto records = open_records(arguments);
  if (!records) return records.error();
  auto rows = RowReader::start(std::move(*records), arguments.format);
  if (!rows) return rows.error();
  auto admin = context.open_admin();
  if (!admin) return admin.error();

  using Replace = grantfs::ImportOptions::Replace;
  // A file whose rows have a kind is the whole policy, but not for links and keys. A file without
  // links or keys may come from an application that knows of none, so those in the policy stay.
  const auto replaces = [&](PolicyRow::Kind kind, Replace in_whole_policy) {
    if (!arguments.replace) return Replace::kNo;
    if (rows->rows_have_kinds()) return in_whole_policy;
    return rows->kind() == kind ? Replace::kYes : Replace::kNo;
  };
  grantfs::ImportOptions options{rows->records().numbered(),
                                 replaces(PolicyRow::Kind::kOwner, Replace::kYes),
                                 replaces(PolicyRow::Kind::kGrant, Replace::kYes),
                                 replaces(PolicyRow::Kind::kMember, Replace::kYes),
                                 replaces(PolicyRow::Kind::kLink, Replace::kIfThereAreAny),
                                 replaces(PolicyRow::Kind::kKey, Replace::kIfThereAreAny)};
  if (auto fit = parse_max_delete(arguments.max_delete, options); !fit) return fit.error();
  Progress progress("rows read");
  return (*admin)->import(
      [&]() -> Result<std::optional<PolicyRow>> {
        auto row = rows->next();
        progress.count();
        if (!row || *row) return row;
        if (arguments.replace) {
          if (auto complete = check_is_complete(rows->records()); !complete) {
            return complete.error();
          }
        }
        progress.say("writing");
        return row;
      },
      options);
}

Result<int> run_import(Context& context, const ImportArguments& arguments) {
  if (!arguments.table.empty() && !arguments.query.empty()) {
    return Error{ErrorKind::kInvalid, "--table and --query are two ways to say it; use one"};
  }
  if (!arguments.max_delete.empty() && !arguments.replace) {
    return Error{ErrorKind::kInvalid,
                 "--max-delete goes with --replace: nothing else deletes rows"};
  }
  auto counts = import_rows(context, arguments);
  if (!counts) {
    return Error{counts.error().kind, counts.error().message + " (nothing was imported)"};
  }
  Json recall;
  if (counts->may_take_away() && !context.dry_run) recall = recall_leases(context);
  if (context.json) {
    Json document = {{"owners", imported_json(counts->owners)},
                     {"grants", imported_json(counts->grants)},
                     {"members", imported_json(counts->members)},
                     {"links", imported_json(counts->links)},
                     {"signing_keys", imported_json(counts->signing_keys)},
                     {"recall", std::move(recall)}};
    if (context.dry_run) document["dry_run"] = true;
    print(document);
    return kDone;
  }
  if (context.dry_run) print_line("would have changed:");
  print_line(shown_imported("owners", counts->owners));
  print_line(shown_imported("grants", counts->grants));
  print_line(shown_imported("memberships", counts->members));
  print_line(shown_imported("links", counts->links));
  print_line(shown_imported("signing keys", counts->signing_keys));
  return kDone;
}

}  // namespace

void add_import(CLI::App& app, Context& context) {
  CLI::App& command = add_command(
      app, "import",
      "Take owners, grants, memberships, links and signing keys from a CSV file, or from a\n"
      "table of an application's SQLite database: all rows, or none",
      "  grantctl import policy.csv\n"
      "  grantctl import app.db --table uploads --principal-column user_id \\\n"
      "    --path-column file_path --principal-prefix user: --strip-prefix /srv/uploads --replace\n"
      "  grantctl import app.db --kind member --query \\\n"
      "    \"SELECT 'user:' || user_id AS principal, 'group:' || team_id AS \\\"group\\\" FROM "
      "teams\"");
  auto arguments = std::make_shared<ImportArguments>();
  command
      .add_option("FILE", arguments->file,
                  "CSV, whose first line names the columns: kind, principal, path, group, rights,\n"
                  "expires, and those of links and keys (- is standard input); or an SQLite\n"
                  "database")
      ->required();
  command.add_option("--table", arguments->table, "the table to read, of an SQLite database")
      ->type_name("NAME");
  command
      .add_option("--query", arguments->query,
                  "a SELECT to read instead; its columns are called as those of a CSV file")
      ->type_name("SQL");
  command
      .add_option("--kind", arguments->format.kind,
                  "what every row is, where no column says so; default: own")
      ->type_name("own|grant|member|link|key");
  command
      .add_option("--principal-column", arguments->format.principal_column,
                  "the column with the principal; once a column is named, others are ignored")
      ->type_name("NAME");
  command.add_option("--path-column", arguments->format.path_column, "the column with the path")
      ->type_name("NAME");
  command
      .add_option("--expires-column", arguments->format.expires_column,
                  "the column with the expiry: Unix seconds, or ISO 8601 with its zone")
      ->type_name("NAME");
  command
      .add_option("--principal-prefix", arguments->format.principal_prefix,
                  "what to put before each principal, such as user:")
      ->type_name("TEXT");
  command
      .add_option("--strip-prefix", arguments->format.strip_prefix,
                  "the folder that every path begins with, to take off")
      ->type_name("FOLDER");
  command.add_flag("--replace", arguments->replace,
                   "delete what is not in FILE: rows of the kind imported; where a column says\n"
                   "which each row is, owners, grants and memberships, and links and signing keys\n"
                   "if FILE has any");
  command
      .add_option("--max-delete", arguments->max_delete,
                  "with --replace: import nothing if more rows would be deleted, or a larger share "
                  "of those there are")
      ->type_name("N|N%");
  add_dry_run(command, context);
  on_run(command, context, [arguments](Context& shared) { return run_import(shared, *arguments); });
}

}  // namespace grantctl
