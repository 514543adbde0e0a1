#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grantctl/nginxconf/variables.h"

namespace grantctl::nginxconf {

/// A URI that nginx goes on with by itself.
struct Target {
  const Directive* directive;
  Value uri;
  bool stays = false;                 ///< in the location that it is in: rewrite ... break
  const Directive* inside = nullptr;  ///< the `if` with settings of its own that it is in
};

/// An `if` with settings of its own, and what holds in it.
struct Variant {
  const Directive* block;
  Frame frame;
};

/// What the rewriting directives of a block (set, if, rewrite, break, return) come to, in the order
/// in which nginx runs them.
struct Outcome {
  Frame frame;  ///< at the end
  std::vector<Target> targets;
  std::vector<Variant> variants;
  bool is_answered = false;           ///< by a `return` that is always reached
  bool is_guarded = false;            ///< only whom an `if` knows by more than his word gets on
  bool is_signed = false;             ///< who has no signature of secure_link is sent away
  bool certificate_verified = false;  ///< who has none that is verified is sent away
};

/// Runs them. `before` holds at the beginning, and must outlive the outcome.
Outcome run_rewriting(const Directive& block, const Frame& before, Variables& variables);

/// `if (...)`, taken apart.
struct Condition {
  std::string variable;   ///< empty: it is of files
  std::string operation;  ///< empty: whether it is set
  std::string operand;
};
Condition condition_of(const Directive& directive);

}  // namespace grantctl::nginxconf
