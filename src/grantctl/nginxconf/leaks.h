#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/site_map.h"

namespace grantctl::nginxconf {

/// Whether what a block answers leaves something behind that must not be there: tokens in logs, old
/// answers in caches.
class Leaks {
 public:
  /// All of it must outlive this.
  Leaks(const Directive& top, Variables& variables);

  /// What is in force in `scope` for paths in which tokens come from `tokens`. `block` is where a
  /// directive that is missing would go; `prefix` what its URLs begin with; empty: not known.
  std::vector<Finding> of_tokens(const Scope& scope, const Directive& block,
                                 const std::string& prefix, const Sources& tokens);
  /// Of these, the access log alone.
  std::vector<Finding> of_access_log(const Scope& scope, const Directive& block,
                                     const std::string& prefix, const Sources& tokens);
  /// Of files in the mount.
  std::vector<Finding> of_caches(const Scope& scope, const Directive& block) const;

 private:
  void collect_formats(const Directive& block);
  std::optional<Finding> of_error_log(const Scope& scope, const Directive& block) const;
  std::string first_leak(const std::string& format, const std::string& prefix,
                         const Sources& tokens, const Place& place);
  bool leaks(const std::string& name, const std::string& prefix, const Sources& tokens,
             const Place& place);
  bool is_never_logged(const Directive& log, const std::string& prefix);

  Variables& variables_;
  std::map<std::string, std::string> formats_;
};

}  // namespace grantctl::nginxconf
