#pragma once

#include <string>
#include <vector>

#include "nginxconf/parser.h"

namespace grantctl::nginxconf {

/// `//` as one '/', and one before a variable that begins with it ($uri and its like).
std::string with_single_slashes(std::string path);

/// Whether others serve what comes to this block, or nobody does.
bool hands_on(const Directive& block);

/// Nothing of this block's is read from a path by its own: it answers, or hands on. One that is
/// `internal` is not meant: nginx's own redirects come to it.
bool answers_without_files(const Directive& block);

/// Where the paths of a URI's files may lie that nginx itself redirects to (`rewrite ... last`,
/// `error_page`, the end of `try_files`), variables as they stand: by the location of the server
/// with the longest prefix, internal ones too, and by each location with a pattern and a root of
/// its own. `inherited` is the root or alias that the server has from around it; null: none.
std::vector<std::string> paths_of(const std::string& uri, const Directive& server,
                                  const Directive* inherited);

/// The path of a URI in a location (null: in none) whose root or alias is `root`.
std::string path_in(const std::string& uri, const Directive* location, const Directive& root);

}  // namespace grantctl::nginxconf
