#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grantctl/nginxconf/language.h"

namespace grantctl::nginxconf {

/// Who a value is from.
enum class Origin {
  kUrl,       ///< the path that the visitor asks for
  kArgument,  ///< what stands behind its '?'
  kCookie,
  kHeader,  ///< another header of his
  kHost,
  kBasicUser,    ///< $remote_user: whoever he says, unless a password is asked for
  kCertificate,  ///< $ssl_client_*: whatever he says, unless certificates are verified
  kVerifiedCertificate,
  kSubrequest,  ///< what the answer to auth_request says
  kAddress,     ///< where he comes from
  kServer,      ///< nginx itself, or its configuration
  kUnknown,     ///< nothing is known of it
};

/// An origin, and the variable that it came in by, without '$'.
using Source = std::pair<Origin, std::string>;
using Sources = std::set<Source>;

/// A constant text, or one that depends on the request.
struct Piece {
  std::string literal;  ///< of a constant
  bool is_literal = true;
  Language language;
  Sources from;
  Sources chosen_by;        ///< who had it be this one, and not another
  bool is_secret = false;   ///< he had to know a long word for it that the configuration has
  bool is_default = false;  ///< it is what a map has for everything else
  bool is_far_in = false;   ///< of a path, but not the component that a token stands in
  std::string name;         ///< the variable that it stands for

  static Piece constant(std::string_view text);
  bool operator==(const Piece&) const = default;
};

/// One thing that a value may be: its pieces in order. A map's "" is a piece too.
struct Alternative {
  std::vector<Piece> text;
  bool operator==(const Alternative&) const = default;

  /// The whole of it, if it is constant.
  std::optional<std::string> constant() const;
  Language language() const;
  /// All of it as one piece.
  Piece as_one() const;
};

/// All that a text may be. Bounded: what is too much is one alternative that may be more.
using Value = std::vector<Alternative>;

Value constant(std::string_view text);
Value unknown(std::string name);
Value varying(const Language& language, Sources from, std::string name);
/// The one behind the other.
Value concatenated(const Value& first, const Value& second);
/// Adds what another may be.
void join(Value& into, const Value& other);
/// What it may be as a whole, and whence.
Language language_of(const Value& value);
Sources sources_of(const Value& value);
/// Who chose, besides, and how.
struct Choice {
  Sources by;
  bool is_secret = false;
  bool is_default = false;
};
Value chosen(Value value, const Choice& choice);

/// The variables' names in a text, in order, without '$' and braces.
std::vector<std::string> variables_in(std::string_view text);

}  // namespace grantctl::nginxconf
