#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "nginxconf/parser.h"

namespace grantctl::nginxconf {

/// Which variables a visitor chooses the value of, be it checked or not: parts of his URL, headers
/// and cookies, and what a `set`, a `map` or a pattern makes of them. Not what nginx found out
/// itself ($remote_user, $remote_addr), nor a constant that a map has for what it was asked.
///
/// A header that a `proxy_set_header` of the same configuration sets to something else is not his:
/// his own does not get through to whom it is sent. With `trusts_proxy` no header is, cookies and
/// Host apart.
class Chosen {
 public:
  Chosen(const Directive& top, bool trusts_proxy);

  /// Where $1, $2, ... are from: nothing, what the visitor chose, or something else.
  enum class Captured { kNothing, kChosen, kOther };
  /// Of `location ~ PATTERN`, `if ($x ~ PATTERN)`, `rewrite PATTERN ...`; kNothing for others.
  Captured captured_by(const Directive& directive) const;

  /// The first variable in `text` that he chooses. `matched` are those that are compared before.
  std::optional<std::string> first_in(std::string_view text, Captured captured,
                                      const std::set<std::string>& matched) const;

  /// The variables that `if ($x != $y) { return ...; }` in this block holds to one that he does
  /// not choose.
  std::set<std::string> matched_in(const Directive& block) const;

 private:
  bool is_chosen(const std::string& name) const;
  bool learn(const Directive& block, Captured captured);
  bool learn_map(const Directive& map);
  bool learn_names(std::string_view pattern);
  void learn_all(const Directive& top);
  void find_set_headers(const Directive& block);

  const bool trusts_proxy_;
  std::set<std::string> set_headers_;  ///< as variables: http_x_user
  std::set<std::string> chosen_;
};

}  // namespace grantctl::nginxconf
