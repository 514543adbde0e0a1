#pragma once

#include <optional>
#include <vector>

#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/site_map.h"

namespace grantctl::nginxconf {

/// A finding if a location and its own alias differ in the slash at their ends.
std::optional<Finding> off_by_slash(const Spot& spot, const std::vector<Tree>& trees);

/// Adds as mounts the paths that root, alias, set and map have before a view's name.
void add_mounts_shown_by_paths(const Directive& top, std::vector<Tree>& trees);

}  // namespace grantctl::nginxconf
