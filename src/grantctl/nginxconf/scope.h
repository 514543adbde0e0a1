#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "grantctl/nginxconf/parser.h"

namespace grantctl::nginxconf {

/// What is in force in a block: its own directives, and what it has from those around it, as nginx
/// merges configurations. Points into the configuration.
class Scope {
 public:
  /// The scope of a block within.
  Scope within(const Directive& block) const;

  /// The directive of that name that is in force; null: none, or only with no argument.
  const Directive* find(std::string_view name) const;
  /// All of those that may stand several times; what a block has of them hides what is around.
  const std::vector<const Directive*>& all(std::string_view name) const;
  /// Its first argument; empty: none is in force.
  std::string word(std::string_view name) const;
  bool is_on(std::string_view name) const { return word(name) == "on"; }

  const Directive* server = nullptr;
  const Directive* location = nullptr;       ///< null: right in the server
  const Directive* root = nullptr;           ///< root or alias
  const Directive* root_location = nullptr;  ///< where that stands; null: in no location
  const Directive* try_files = nullptr;      ///< of this block
  bool is_internal = false;                  ///< `internal`, or a name

 private:
  std::map<std::string_view, const Directive*> single_;
  std::map<std::string_view, std::vector<const Directive*>> several_;
};

/// Whether a location is a pattern's.
bool is_pattern_location(const Directive& location);
/// "@name".
bool is_named_location(const Directive& location);
/// The prefix, the pattern or the name of a location.
const std::string& key_of(const Directive& location);
/// Whether another server answers what comes here.
bool hands_on(const Directive& block);

}  // namespace grantctl::nginxconf
