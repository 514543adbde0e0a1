#pragma once

#include <optional>
#include <string>
#include <vector>

#include "grantctl/nginxconf/variables.h"

namespace grantctl::nginxconf {

/// A URI that nginx itself goes on with.
struct Target {
  const Directive* directive;
  Value uri;
  bool stays = false;                 ///< rewrite ... break: nginx stays in the location
  const Directive* inside = nullptr;  ///< the `if` with settings of its own around it
};

/// An `if` with settings of its own, and the state of variables within.
struct Variant {
  const Directive* block;
  Frame frame;
};

/// The result of a block's rewriting directives (set, if, rewrite, break, return), run in nginx's
/// order.
struct Outcome {
  Frame frame;  ///< the variables at the end
  std::vector<Target> targets;
  std::vector<Variant> variants;
  bool is_answered = false;           ///< a `return` is always reached
  bool is_guarded = false;            ///< an `if` lets on only visitors known by more than a claim
  bool is_signed = false;             ///< visitors without a signature of secure_link are sent away
  bool certificate_verified = false;  ///< visitors without a verified certificate are sent away
};

/// Runs the rewriting directives of a block. `before` is the state at the beginning, and must
/// outlive the outcome.
Outcome run_rewriting(const Directive& block, const Frame& before, Variables& variables);

/// The parts of `if (...)`.
struct Condition {
  std::string variable;   ///< empty: the condition is about files
  std::string operation;  ///< empty: whether the variable is set
  std::string operand;
};
Condition condition_of(const Directive& directive);

}  // namespace grantctl::nginxconf
