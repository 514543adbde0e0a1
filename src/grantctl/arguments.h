#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "grantctl/context.h"
#include "grantfs/identity.h"
#include "grantfs/principal.h"
#include "grantfs/result.h"
#include "grantfs/secret.h"
#include "grantfs/store_path.h"
#include "grantfs/timestamp.h"

// The forms that people type, and what they mean. Errors are kInvalid unless said otherwise; none
// repeats what could be a token.
namespace grantctl {

/// A canonical principal, or `uid:NAME`, `gid:NAME` by the system's databases. Warns, on standard
/// error, of a `user:NAME` that is also an account of this machine.
grantfs::Result<grantfs::Principal> parse_principal(const std::string& text);

/// `--for PRINCIPAL`; empty is everybody.
grantfs::Result<std::optional<grantfs::Principal>> parse_holder(const std::string& text);

/// `group:NAME`, or plain `NAME`.
grantfs::Result<grantfs::Principal> parse_group(const std::string& text);

/// A path in the store: relative to it, or absolute below the store or the mount of a daemon on
/// the database. `.` is the whole store. Symbolic links in the store are not followed.
grantfs::Result<grantfs::StorePath> parse_path(Context& context, const std::string& text);

/// `--expires WHEN`; empty is never.
grantfs::Result<grantfs::Expiry> parse_expires(const std::string& text);

/// `--address CIDR`; empty is none.
grantfs::Result<std::optional<grantfs::Network>> parse_network(const std::string& text);

/// The first line of standard input.
grantfs::Result<grantfs::Secret> read_token();

/// The id of a session or link, or the beginning of one; `-` is that of the token on standard
/// input.
grantfs::Result<std::string> parse_token_id(const std::string& text);

/// The first line of standard input, as the secret of a signing key.
grantfs::Result<grantfs::Secret> read_secret();

/// `--expires WHEN`, for parse_expires().
CLI::Option* add_expires(CLI::App& command, std::string& expires);

/// `--address CIDR` of what an address alone may use, for parse_network().
void add_address(CLI::App& command, std::string& address);

/// `ID` of a session or link, for parse_token_id().
CLI::Option* add_token_id(CLI::App& command, std::string& id);

/// `ls` of what belongs to principals: everybody's, or by `--for PRINCIPAL` one's.
void add_ls_by_holder(CLI::App& parent, Context& context, const std::string& description,
                      const std::string& examples,
                      grantfs::Result<int> (*run)(Context&,
                                                  const std::optional<grantfs::Principal>& holder));

/// Who asks when this principal does: a user of the machine brings its groups along.
grantfs::Identity identity_of(const grantfs::Principal& principal);

}  // namespace grantctl
