#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "control/protocol.h"
#include "grantfs/result.h"

namespace grantfs {

/// Binds the calling process's POSIX session, which it must lead, to the bearer of the token at
/// every daemon that decides by `database` (record.h). How many there were, at least one. Waits at
/// most kAnswerTime for each.
///
/// kConflict if the token is refused; kSystem if there is no daemon, or any of them cannot be asked
/// or does not do it: then the caller may be bound at some, which is over when it ends.
Result<std::size_t> bind_session(const std::filesystem::path& database, std::string_view token);

/// A POSIX session that is bound, and to which token.
struct SessionBinding {
  pid_t session = 0;
  std::string id;  ///< SHA-256 of the token, lowercase hexadecimal

  friend auto operator<=>(const SessionBinding&, const SessionBinding&) = default;
};

/// The bound POSIX sessions of the daemon at `socket`; errors as ask_daemon().
Result<std::vector<SessionBinding>> ask_bindings(const std::filesystem::path& socket);

/// The bound POSIX sessions of all those daemons, each once, by number; none if none of the daemons
/// answers.
std::optional<std::vector<SessionBinding>> find_bindings(const std::filesystem::path& database);

}  // namespace grantfs
