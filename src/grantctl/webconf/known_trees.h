#pragma once

#include <string>
#include <vector>

#include "grantctl/context.h"
#include "grantctl/nginxconf/trees.h"

namespace grantctl {

/// The mounts, stores and folders of policies that a web server's configuration is compared with.
/// They are the named mounts (by default /srv/files), all that is mounted, and those that running
/// daemons and --db name. Each is listed also as its path resolves now. A tree that cannot be found
/// out is left out.
std::vector<nginxconf::Tree> known_trees(Context& context, const std::vector<std::string>& mounts,
                                         const std::vector<std::string>& stores);

}  // namespace grantctl
