#pragma once

#include <string>
#include <vector>

#include "grantctl/nginxconf/access.h"
#include "grantctl/nginxconf/trees.h"

namespace grantctl::nginxconf {

/// A fault of a path.
struct Fault {
  std::string rule;
  std::string what;  ///< the part of the message behind "root /x leads ..."
  std::string advice;
  /// The path that the visitor's part must write for the fault, counted from the end of the path's
  /// constant beginning. Empty: any path will do.
  std::string only_below;
};

/// The judgement on a path that is served.
struct Judgement {
  std::vector<Fault> faults;
  bool is_in_mount = false;
  bool is_private = false;  ///< the path is in a view other than public
  Sources tokens;           ///< the sources of the tokens in the path
};

/// Judges one of the paths that a block may look up, given the checks of `access`.
Judgement judge(const Alternative& path, const std::vector<Tree>& trees, const Access& access);

/// The variable in a path, without '$', that may lead anywhere by "../" or the like; empty: none.
std::string unchecked_in(const Alternative& path, const Access& access);

}  // namespace grantctl::nginxconf
