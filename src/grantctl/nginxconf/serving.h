#pragma once

#include <string>
#include <vector>

#include "grantctl/nginxconf/scope.h"
#include "grantctl/nginxconf/site_map.h"
#include "grantctl/nginxconf/value.h"
#include "grantctl/nginxconf/variables.h"

namespace grantctl::nginxconf {

/// What the visitor may ask for of a location: the URIs that nginx brings there. `site` null: any.
Value uri_of(const Spot* spot, Variables& variables);

/// A path that nginx looks up, and the directive that says so.
struct Lookup {
  const Directive* directive;
  Value path;
  bool is_uri = false;  ///< that nginx goes on with
};

/// The paths that a block looks up for a URI: by root or alias, or what try_files tries.
std::vector<Lookup> lookups(const Scope& scope, const Value& uri, const Frame& frame,
                            Variables& variables);

/// A URI that nginx goes on with by itself, and why.
struct Onward {
  const Directive* directive;
  Value uri;
  std::string name;              ///< of a named location; else the URI counts
  bool is_after_access = false;  ///< who comes so was let in before
  bool is_early = false;         ///< for what a visitor can cause: 4xx
  bool is_certificates = false;  ///< for a certificate that is not verified: 495
};

/// Where nginx goes on to from a block: the end of try_files, error_page, index, add_before_body.
std::vector<Onward> onward(const Scope& scope, const Directive& block, const Frame& frame,
                           Variables& variables);

/// The texts of a block that are paths, each with its directive; of one that hands on, what it
/// stores.
std::vector<Lookup> path_texts(const Scope& scope, const Directive& block, const Frame& frame,
                               Variables& variables);

}  // namespace grantctl::nginxconf
