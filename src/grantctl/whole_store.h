#pragma once

#include <string>
#include <vector>

#include "grantctl/context.h"

namespace grantctl {

/// Names on standard error every rule, link and key on the whole store, each with the command that
/// takes it away, and returns these lines: for a database of a version in which a blank path was
/// the whole store, so that who has it may owe that to a field left empty.
grantfs::Result<std::vector<std::string>> warn_of_whole_store(Context& context);

}  // namespace grantctl
