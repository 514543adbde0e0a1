#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/parser.h"

namespace grantctl::nginxconf {

/// The directives in force in a block: its own, and those inherited from the blocks around it, as
/// nginx merges configurations. The pointers lead into the configuration.
class Scope {
 public:
  /// The scope of a block within this one.
  Scope within(const Directive& block) const;

  /// The directive of that name that is in force; null if there is none, or only one without an
  /// argument.
  const Directive* find(std::string_view name) const;
  /// All directives of that name, for those that may stand several times. Those of a block hide
  /// those of the blocks around it.
  const std::vector<const Directive*>& all(std::string_view name) const;
  /// The directive's first argument; empty if none is in force.
  std::string word(std::string_view name) const;
  bool is_on(std::string_view name) const { return word(name) == "on"; }

  const Directive* server = nullptr;
  const Directive* location = nullptr;       ///< null: directly in the server
  const Directive* root = nullptr;           ///< root or alias
  const Directive* root_location = nullptr;  ///< the location of `root`; null: in no location
  const Directive* try_files = nullptr;      ///< only of this block
  bool is_internal = false;                  ///< the location has `internal`, or is a named one

 private:
  std::map<std::string_view, const Directive*> single_;
  std::map<std::string_view, std::vector<const Directive*>> several_;
};

/// Whether the location has a pattern.
bool is_pattern_location(const Directive& location);
/// Whether the location is "@name".
bool is_named_location(const Directive& location);
/// The prefix, the pattern or the name of a location.
const std::string& key_of(const Directive& location);
/// Whether another server answers the block's requests.
bool hands_on(const Directive& block);

}  // namespace grantctl::nginxconf
