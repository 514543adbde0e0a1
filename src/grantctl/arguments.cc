#include "grantctl/arguments.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <memory>
#include <span>
#include <vector>

#include "base/quote.h"
#include "grantctl/output.h"
#include "grantctl/store_probe.h"
#include "grantctl/system_accounts.h"
#include "grantfs/signature.h"
#include "grantfs/token.h"

namespace grantctl {

using grantfs::Error;
using grantfs::ErrorKind;
using grantfs::Principal;
using grantfs::quoted;
using grantfs::Result;

namespace {

/// Whether the text is a name of the system's and not a number. Numbers have one form only, which
/// Principal reads.
bool is_system_name(std::string_view name) {
  return !name.empty() && name.find('\0') == std::string_view::npos &&
         !std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
}

bool is_local_account(const std::string& name) {
  auto account = account_named(name);
  return account && *account;
}

/// Reads the first line of standard input, and not a byte more: the bytes behind it may be for a
/// program that this process becomes. No buffer but the secret's holds the line. Of a line that is
/// longer than `most`, it reads just enough to tell.
Result<grantfs::Secret> read_first_line(std::string_view what, std::size_t most) {
  grantfs::Secret line;
  line.resize(most + 2);  // for "\r", and for one byte too many
  const std::span<char> bytes = line.bytes();
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = ::read(STDIN_FILENO, &bytes[size], 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || bytes[size] == '\n') break;
    ++size;
  }
  if (size > 0 && bytes[size - 1] == '\r') --size;
  line.resize(size);
  if (!line.empty()) return line;
  return Error{ErrorKind::kInvalid,
               fmt::format("no {} on standard input; it is the first line", what)};
}

Error unknown(std::string_view what, const std::string& name, std::string_view number_form) {
  return {ErrorKind::kInvalid, fmt::format("this machine has no {} {}; write {} for one that it "
                                           "does not know",
                                           what, quoted(name), number_form)};
}

}  // namespace

Result<Principal> parse_principal(const std::string& text) {
  if (text.starts_with("session:") || text.starts_with("link:")) {
    return Error{ErrorKind::kInvalid,
                 "a session is no principal, and a token is never an argument; write user:NAME, "
                 "group:NAME, uid:N, gid:N or public"};
  }
  if (text.starts_with("uid:") && is_system_name(text.substr(4))) {
    const std::string name = text.substr(4);
    auto account = account_named(name);
    if (!account) return account.error();
    if (!*account) return unknown("account", name, "uid:N");
    return Principal::uid((*account)->pw_uid);
  }
  if (text.starts_with("gid:") && is_system_name(text.substr(4))) {
    const std::string name = text.substr(4);
    auto group = group_named(name);
    if (!group) return group.error();
    if (!*group) return unknown("group", name, "gid:N");
    return Principal::gid((*group)->gr_gid);
  }
  if (text != "public" && grantfs::check_token(text)) {
    return Error{ErrorKind::kInvalid,
                 "not a principal (it is not repeated here, since it could be a token); write "
                 "user:NAME, group:NAME, uid:N, gid:N or public"};
  }
  auto principal = Principal::parse(text);
  if (principal && principal->kind() == Principal::Kind::kUser) {
    const std::string name(principal->name());
    if (is_local_account(name)) {
      complain(fmt::format("note: {} is the application's {}; for the local account write {}",
                           quoted(text), quoted(name), quoted("uid:" + name)));
    }
  }
  return principal;
}

Result<std::optional<Principal>> parse_holder(const std::string& text) {
  if (text.empty()) return std::optional<Principal>();
  auto principal = parse_principal(text);
  if (!principal) return principal.error();
  return std::optional(std::move(*principal));
}

Result<Principal> parse_group(const std::string& text) {
  if (text.starts_with("group:")) return Principal::parse(text);
  auto other = Principal::parse(text);
  if (other || text.starts_with("uid:") || text.starts_with("gid:")) {
    return Error{ErrorKind::kInvalid, fmt::format("{} is not a group of the application; write "
                                                  "group:NAME",
                                                  quoted(text))};
  }
  auto group = Principal::parse("group:" + text);
  if (!group) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} cannot name a group; write group:NAME, without '/' and control "
                             "characters, at most 255 bytes",
                             quoted(text.substr(0, 300)))};
  }
  return group;
}

Result<std::vector<grantfs::StorePath>> parse_paths(Context& context,
                                                    const std::vector<std::string>& texts) {
  std::vector<grantfs::StorePath> paths;
  for (const std::string& text : texts) {
    auto path = parse_path(context, text);
    if (!path) return path.error();
    paths.push_back(std::move(*path));
  }
  return paths;
}

namespace {

bool looks_like_pattern(const grantfs::StorePath& path) {
  return path.text().find_first_of("*?") != std::string::npos;
}

}  // namespace

Result<void> refuse_patterns(Context& context, const std::vector<grantfs::StorePath>& paths,
                             bool literal) {
  if (literal) return {};
  for (const grantfs::StorePath& path : paths) {
    if (!looks_like_pattern(path)) continue;
    const StoreContent content = look_in_store(context, path);
    if (content == StoreContent::kFile || content == StoreContent::kFolder) continue;
    return Error{
        ErrorKind::kInvalid,
        fmt::format("{} looks like a pattern, and a rule is none: it is on one file, or on "
                    "a folder and all below it; name the folder, or the files one by one, "
                    "or write --literal if that is a file's name",
                    quoted(shown(path)))};
  }
  return {};
}

std::string pattern_hint(const grantfs::StorePath& path) {
  return looks_like_pattern(path) ? "; * and ? stand for themselves here" : "";
}

void add_literal(CLI::App& command, bool& literal) {
  command.add_flag("--literal", literal, "take * and ? in a PATH for characters of a file's name");
}

void add_dry_run(CLI::App& command, Context& context) {
  command.add_flag("-n,--dry-run", context.dry_run, "say what would be done, and do nothing");
}

void add_yes(CLI::App& command, bool& yes) {
  command.add_flag("-y,--yes", yes, "do not ask on a terminal whether to do it");
}

bool asks(bool yes) {
  return !yes && ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

bool confirm(std::string_view what) {
  std::cerr << fmt::format("grantctl: {}? [y/N] ", grantfs::printable(what)) << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

Result<grantfs::Expiry> parse_expires(const std::string& text) {
  if (text.empty()) return grantfs::Expiry();
  auto when = grantfs::parse_when(text, grantfs::system_now());
  if (!when) return when.error();
  if (grantfs::is_day(text)) {
    complain(
        fmt::format("note: {} ends at {}, by the time zone of this machine and of who runs this",
                    text, grantfs::format_timestamp(*when)));
  }
  return grantfs::Expiry(*when);
}

Result<std::optional<grantfs::Network>> parse_network(const std::string& text) {
  if (text.empty()) return std::optional<grantfs::Network>();
  auto network = grantfs::Network::parse(text);
  if (!network) {
    return Error{ErrorKind::kInvalid,
                 fmt::format("{} is {}", quoted(text), network.error().message)};
  }
  return std::optional(*network);
}

Result<grantfs::Secret> read_token() {
  return read_first_line("token", grantfs::kMaxTokenBytes);
}

Result<std::string> parse_token_id(const std::string& text) {
  if (text != "-") return text;
  auto token = read_token();
  if (!token) return token.error();
  return grantfs::TokenHash::of(token->view()).hex();
}

Result<grantfs::Secret> read_secret() {
  return read_first_line("secret", grantfs::kMaxSigningSecretBytes);
}

CLI::Option* add_expires(CLI::App& command, std::string& expires) {
  return command
      .add_option(
          "--expires", expires,
          "until when: 90s, 15m, 8h, 7d, an ISO 8601 time with its zone, or a day (its end)")
      ->type_name("WHEN");
}

void add_address(CLI::App& command, std::string& address) {
  command
      .add_option("--address", address,
                  "an address or network that alone may use it, by from/ADDRESS")
      ->type_name("CIDR");
}

CLI::Option* add_token_id(CLI::App& command, std::string& id) {
  return command.add_option(
      "ID", id, "the id, or its first 8 digits or more; '-' reads the token from standard input");
}

void add_ls_by_holder(CLI::App& parent, Context& context, const std::string& description,
                      const std::string& examples,
                      Result<int> (*run)(Context&, const std::optional<Principal>& holder)) {
  CLI::App& command = add_command(parent, "ls", description, examples);
  auto holder = std::make_shared<std::string>();
  command.add_option("--for", *holder, "only those of this principal")->type_name("PRINCIPAL");
  on_run(command, context, [holder, run](Context& shared) -> Result<int> {
    auto principal = parse_holder(*holder);
    if (!principal) return principal.error();
    return run(shared, *principal);
  });
}

grantfs::Identity identity_of(const Principal& principal) {
  if (principal.kind() == Principal::Kind::kUid) {
    // The spelling is canonical, so the number fits.
    const auto uid = static_cast<uid_t>(std::stoul(std::string(principal.name())));
    return grantfs::SystemUser{uid};
  }
  return grantfs::Named{principal};
}

}  // namespace grantctl
