#pragma once

#include <string>
#include <vector>

#include "grantctl/nginxconf/parser.h"
#include "grantctl/nginxconf/trees.h"
#include "grantfs/result.h"

namespace grantctl::nginxconf {

/// Something unsafe: where, what, and what to do about it.
struct Finding {
  Place place;
  /// unchecked-variable, empty-identity, off-by-slash, exposed-view, store-served, file-cache,
  /// token-log, ssi or not-judged
  std::string rule;
  std::string what;
  std::string advice;
};

/// What is not unsafe, but must be known.
struct Note {
  Place place;
  std::string what;
};

struct Report {
  std::vector<Finding> findings;  ///< in the order of servers and locations
  std::vector<Note> notes;
  bool serves_mount = false;  ///< some location leads below a mount
  std::size_t steps = 0;      ///< what it took; a measure without unit
};

/// What is unsafe in a configuration that serves a mount of grantfs. Each value that reaches a path
/// is followed to where it is from; what has no proof that it is harmless is reported.
///
/// Mounts are those in `trees`, and whatever a path in the configuration shows to be one, by a
/// view's name. Without `http {}` around it, the configuration is one that is included there.
/// kInvalid, with file and line, if it is beyond the bounds of what is judged.
grantfs::Result<Report> audit(const Directive& top, std::vector<Tree> trees);

}  // namespace grantctl::nginxconf
