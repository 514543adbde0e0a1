#pragma once

#include <string>
#include <vector>

#include "nginxconf/parser.h"

namespace grantctl::nginxconf {

/// Something unsafe: where, what, and what to do about it.
struct Finding {
  Place place;
  std::string rule;  ///< unchecked-variable, off-by-slash, exposed-view, file-cache or token-log
  std::string what;
  std::string advice;
};

/// What is unsafe in a configuration that serves a mount of grantfs, in the order of its lines.
/// Mounts are `mount`, if not empty, and whatever a path in it shows to be one, by a view's name.
/// Without `http {}` around it, the configuration is one that is included there.
std::vector<Finding> audit(const Directive& top, const std::string& mount);

}  // namespace grantctl::nginxconf
