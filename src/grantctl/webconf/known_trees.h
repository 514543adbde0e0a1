#pragma once

#include <string>
#include <vector>

#include "grantctl/context.h"
#include "grantctl/nginxconf/trees.h"

namespace grantctl {

/// The mounts, stores and folders of policies that a web server's configuration is compared with:
/// those that are named (no mount: /srv/files), what is mounted, and what running daemons and --db
/// say. Each also as it resolves now. Whatever cannot be found out is left out.
std::vector<nginxconf::Tree> known_trees(Context& context, const std::vector<std::string>& mounts,
                                         const std::vector<std::string>& stores);

}  // namespace grantctl
