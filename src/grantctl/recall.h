#pragma once

#include "grantctl/context.h"
#include "grantctl/output.h"

namespace grantctl {

/// The message when no daemon runs on the database.
enum class WithoutDaemon {
  kSaySo,    ///< there was nothing to recall: for commands that take access away
  kBeQuiet,  ///< no message: for commands that rarely do, or are typed before the first mount
};

/// Has every daemon on the database make the kernel forget what was lent. A command calls this as
/// soon as a change that may take access away is committed, before it prints anything. If a daemon
/// does not acknowledge, this says so on standard error, and waits until no lease from before the
/// call stands. On return the change counts everywhere; the function cannot fail.
///
/// For a policy in PostgreSQL the nodes are asked instead: it returns when each has forgotten, or
/// serves nothing any more, and names those that did not acknowledge. If the server could not be
/// asked, it says so and sets Context::recall_failed.
///
/// Returns the field "recall" of the command's document: how many daemons acknowledged, and how
/// many seconds were waited because a daemon did not.
Json recall_leases(Context& context, WithoutDaemon without_daemon = WithoutDaemon::kSaySo);

/// Recalls leases, and ends a command whose result is `counts`. With Context::dry_run nothing was
/// changed and nothing is recalled. If all counts are zero, nothing is recalled, and the result is
/// "not found" with the message `none`. With --json prints the counts, with "recall" (null if none
/// was made) and with the error. Returns the exit status.
int recall_and_report(Context& context, const grantfs::RowCounts& counts, const std::string& none);

}  // namespace grantctl
