#pragma once

#include <string>
#include <vector>

#include "grantctl/context.h"

namespace grantctl {

/// Names on standard error every rule, link and key on the whole store, each with the command that
/// takes it away. Returns these lines. In databases of an older version a blank path meant the
/// whole store, so such a rule may come from a field left empty.
grantfs::Result<std::vector<std::string>> warn_of_whole_store(Context& context);

}  // namespace grantctl
