#pragma once

#include <string>
#include <vector>

#include "grantctl/nginxconf/parser.h"
#include "grantctl/nginxconf/trees.h"
#include "grantfs/result.h"

namespace grantctl::nginxconf {

/// An unsafe place in the configuration: where it is, the fault, and the advice.
struct Finding {
  Place place;
  /// One of unchecked-variable, empty-identity, off-by-slash, exposed-view, store-served,
  /// file-cache, token-log, ssi and not-judged.
  std::string rule;
  std::string what;
  std::string advice;
};

/// A fact that is not unsafe, but that the administrator must know.
struct Note {
  Place place;
  std::string what;
};

struct Report {
  std::vector<Finding> findings;  ///< in the order of servers and locations
  std::vector<Note> notes;
  bool serves_mount = false;  ///< some location leads below a mount
  std::size_t steps = 0;      ///< the cost of the audit, without unit
};

/// Finds the unsafe places of a configuration that serves a mount of grantfs. Each value that
/// reaches a path is followed back to its source. A value without proof that it is harmless is
/// reported.
///
/// The mounts are those in `trees`, and those that a path in the configuration shows by a view's
/// name. Without `http {}` around it, the configuration is taken for one that is included there.
/// kInvalid, with file and line, if the configuration is beyond the bounds.
grantfs::Result<Report> audit(const Directive& top, std::vector<Tree> trees);

}  // namespace grantctl::nginxconf
