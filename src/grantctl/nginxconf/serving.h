#pragma once

#include <string>
#include <vector>

#include "grantctl/nginxconf/scope.h"
#include "grantctl/nginxconf/site_map.h"
#include "grantctl/nginxconf/value.h"
#include "grantctl/nginxconf/variables.h"

namespace grantctl::nginxconf {

/// The URIs that a visitor may ask for so that nginx comes to the location. If `spot` is null: all
/// URIs.
Value uri_of(const Spot* spot, Variables& variables);

/// A path that nginx looks up, and the directive that has it do so.
struct Lookup {
  const Directive* directive;
  Value path;
  bool is_uri = false;  ///< nginx goes on with it as a URI
};

/// The paths that a block looks up for a URI: by root or alias, or by try_files.
std::vector<Lookup> lookups(const Scope& scope, const Value& uri, const Frame& frame,
                            Variables& variables);

/// A URI that nginx itself goes on with, and the reason.
struct Onward {
  const Directive* directive;
  Value uri;
  std::string name;              ///< the name of a named location; empty: the URI counts
  bool is_after_access = false;  ///< the visitor was let in before
  bool is_early = false;         ///< for errors that a visitor can cause: 4xx
  bool is_certificates = false;  ///< for a certificate that is not verified: 495
};

/// The URIs that nginx goes on with from a block: the end of try_files, error_page, index,
/// add_before_body.
std::vector<Onward> onward(const Scope& scope, const Directive& block, const Frame& frame,
                           Variables& variables);

/// The block's arguments that are paths, each with its directive. A block that hands requests on
/// has the paths at which it stores answers.
std::vector<Lookup> path_texts(const Scope& scope, const Directive& block, const Frame& frame,
                               Variables& variables);

}  // namespace grantctl::nginxconf
