#pragma once

namespace grantfs {

/// Has libfuse's messages go to the log. libfuse itself writes to standard error, and ends its
/// threads by pthread_cancel(3): one that is ended while it writes "reading device" leaves the lock
/// of stderr taken, and whoever logs there next waits for ever. Call it before threads start.
void log_what_libfuse_says();

}  // namespace grantfs
