#pragma once

#include "grantctl/context.h"
#include "grantctl/output.h"

namespace grantctl {

/// What to say when no daemon runs on the database.
enum class WithoutDaemon {
  kSaySo,    ///< that there was nothing to recall: of a command that takes access away
  kBeQuiet,  ///< of one that rarely does, and is also typed before the first mount
};

/// To be called as soon as a change that may take access away is committed, before anything is
/// printed: has every daemon on the database make the kernel forget what it was lent. If one does
/// not acknowledge, says so on standard error and waits until no lease from before the call
/// stands. On return the change counts everywhere; it has no way to fail.
///
/// Returns the field "recall" of the command's document: how many daemons acknowledged, and how
/// many seconds were waited because one did not.
Json recall_leases(Context& context, WithoutDaemon without_daemon = WithoutDaemon::kSaySo);

/// Ends a command whose result is `counts`: the same, unless they are all zero, which is "not
/// found", with `none` for a message. With --json prints them, with "recall": null where none was
/// made, and with the error. Returns the exit status.
int recall_and_report(Context& context, const grantfs::RowCounts& counts, const std::string& none);

}  // namespace grantctl
