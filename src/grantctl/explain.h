#pragma once

#include <string>
#include <vector>

#include "grantctl/output.h"
#include "grantfs/policy.h"

namespace grantctl {

/// "user:alice, of group:staff, of group:all"; empty unless groups are in it.
std::string shown_membership(const std::vector<grantfs::Principal>& membership);
/// The rule that allows, and by which groups: the explanation must have one.
std::string shown_with_membership(const grantfs::Explanation& explanation);
Json to_json(const std::vector<grantfs::Principal>& membership);

}  // namespace grantctl
