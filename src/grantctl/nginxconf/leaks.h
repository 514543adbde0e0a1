#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grantctl/nginxconf/audit.h"
#include "grantctl/nginxconf/site_map.h"

namespace grantctl::nginxconf {

/// Finds secrets and old answers that a block leaves behind when it answers: tokens in logs, files
/// in caches.
class Leaks {
 public:
  /// The arguments must outlive this object.
  Leaks(const Directive& top, Variables& variables);

  /// The leaks in force in `scope` for paths whose tokens come from `tokens`. A missing directive
  /// would go into `block`. `prefix` is the beginning of the block's URLs; empty: not known.
  std::vector<Finding> of_tokens(const Scope& scope, const Directive& block,
                                 const std::string& prefix, const Sources& tokens);
  /// The leaks of tokens into the access log alone.
  std::vector<Finding> of_access_log(const Scope& scope, const Directive& block,
                                     const std::string& prefix, const Sources& tokens);
  /// The caches that keep files of the mount.
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
