#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grantctl/context.h"
#include "grantfs/identity.h"
#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/secret.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

// Reads the forms that people type. Errors are kInvalid unless said otherwise. No error repeats a
// text that could be a token.
namespace grantctl {

/// A canonical principal, or `uid:NAME`, `gid:NAME` by the system's databases. A `user:NAME` that
/// is also an account of this machine gets a warning on standard error.
grantfs::Result<grantfs::Principal> parse_principal(const std::string& text);

/// `--for PRINCIPAL`; an empty text means everybody.
grantfs::Result<std::optional<grantfs::Principal>> parse_holder(const std::string& text);

/// `group:NAME`, or plain `NAME`.
grantfs::Result<grantfs::Principal> parse_group(const std::string& text);

/// A path in the store. It is relative to the store, or absolute below the store or below the mount
/// of a daemon on the database. `.` is the whole store. Symbolic links in the store are not
/// followed.
grantfs::Result<grantfs::StorePath> parse_path(Context& context, const std::string& text);

/// parse_path() of each.
grantfs::Result<std::vector<grantfs::StorePath>> parse_paths(Context& context,
                                                             const std::vector<std::string>& texts);

/// Refuses a path with * or ? in it, for a command that gives access: a rule is no pattern, and one
/// that was meant as a pattern would let nobody in until a file of that name comes. Accepts the
/// path if `literal`, or if the store has something of that name. kInvalid.
grantfs::Result<void> refuse_patterns(Context& context,
                                      const std::vector<grantfs::StorePath>& paths, bool literal);
/// What to say after "there is none": that rules are no patterns, if the path looks like one.
std::string pattern_hint(const grantfs::StorePath& path);

/// Adds `--literal`, for refuse_patterns().
void add_literal(CLI::App& command, bool& literal);
/// Adds `--dry-run`, which sets Context::dry_run.
void add_dry_run(CLI::App& command, Context& context);
/// Adds `-y,--yes`, for asks().
void add_yes(CLI::App& command, bool& yes);

/// Whether somebody is to be asked before much is deleted: a user at a terminal who has not said
/// `--yes`. A program is not asked.
bool asks(bool yes);
/// Asks on the terminal whether to do this, which becomes a question.
bool confirm(std::string_view what);

/// `--expires WHEN`; an empty text means never.
grantfs::Result<grantfs::Expiry> parse_expires(const std::string& text);

/// `--address CIDR`; an empty text means none.
grantfs::Result<std::optional<grantfs::Network>> parse_network(const std::string& text);

/// Reads a token: the first line of standard input.
grantfs::Result<grantfs::Secret> read_token();

/// The id of a session or link, or the beginning of an id. `-` means the id of the token on
/// standard input.
grantfs::Result<std::string> parse_token_id(const std::string& text);

/// Reads the secret of a signing key: the first line of standard input.
grantfs::Result<grantfs::Secret> read_secret();

/// Adds `--expires WHEN`, for parse_expires().
CLI::Option* add_expires(CLI::App& command, std::string& expires);

/// Adds `--address CIDR` to a command whose session, link or signature one address alone may use,
/// for parse_network().
void add_address(CLI::App& command, std::string& address);

/// Adds `ID` of a session or link, for parse_token_id().
CLI::Option* add_token_id(CLI::App& command, std::string& id);

/// Adds `ls`, which lists the rows of all principals or, with `--for PRINCIPAL`, those of one.
void add_ls_by_holder(CLI::App& parent, Context& context, const std::string& description,
                      const std::string& examples,
                      grantfs::Result<int> (*run)(Context&,
                                                  const std::optional<grantfs::Principal>& holder));

/// The identity of a process or visitor that is this principal: a user of the machine has the
/// groups of that user.
grantfs::Identity identity_of(const grantfs::Principal& principal);

}  // namespace grantctl
