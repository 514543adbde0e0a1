#pragma once

#include <string>
#include <vector>

#include "grantctl/output.h"
#include "grantfs/policy.h"

namespace grantctl {

/// "user:alice, of group:staff, of group:all"; empty if no groups are in the list.
std::string shown_membership(const std::vector<grantfs::Principal>& membership);
/// The rule that allows, and the groups by which it does. The explanation must have such a rule.
std::string shown_with_membership(const grantfs::Explanation& explanation);
Json to_json(const std::vector<grantfs::Principal>& membership);

}  // namespace grantctl
