#pragma once

#include <string>
#include <vector>

#include "grantctl/context.h"

namespace grantctl {

/// Says to the records of accesses of all daemons on the database, and to syslog(3), who made a
/// change: the command `name` ("link create") has made it with these `arguments`. Call it once the
/// change is committed. What cannot be recorded is reported on standard error. Nothing if the
/// command is none that changes the policy, or only said what it would change (--dry-run).
void record_change(Context& context, const std::string& name,
                   const std::vector<std::string>& arguments);

}  // namespace grantctl
