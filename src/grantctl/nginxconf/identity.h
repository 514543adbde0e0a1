#pragma once

#include <string>
#include <vector>

#include "grantctl/nginxconf/access.h"
#include "grantctl/nginxconf/trees.h"

namespace grantctl::nginxconf {

/// The fault of a path.
struct Fault {
  std::string rule;
  std::string what;  ///< what stands behind "root /x leads ..."
  std::string advice;
  /// Where the visitor's part of the path must lead for it, from the path's constant beginning on;
  /// empty: wherever.
  std::string only_below;
};

/// What a path that is served turned out to be.
struct Judgement {
  std::vector<Fault> faults;
  bool is_in_mount = false;
  bool is_private = false;  ///< in another view than public
  Sources tokens;           ///< where the tokens in it are from
};

/// Judges one of the paths that a block may look up, and what `access` makes sure of.
Judgement judge(const Alternative& path, const std::vector<Tree>& trees, const Access& access);

/// The variable in a path that may lead anywhere, by "../" or the like, without '$'; empty: none.
std::string unchecked_in(const Alternative& path, const Access& access);

}  // namespace grantctl::nginxconf
