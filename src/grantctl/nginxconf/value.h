#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "grantctl/nginxconf/language.h"

namespace grantctl::nginxconf {

/// The origin of a value: who determines it.
enum class Origin {
  kUrl,       ///< the path that the visitor asks for
  kArgument,  ///< the part behind the URL's '?'
  kCookie,
  kHeader,  ///< another header of the visitor's
  kHost,
  kBasicUser,    ///< $remote_user: the visitor's claim, unless a password is asked for
  kCertificate,  ///< $ssl_client_*: the visitor's claim, unless certificates are verified
  kVerifiedCertificate,
  kSubrequest,  ///< the answer to auth_request
  kAddress,     ///< the visitor's address
  kServer,      ///< nginx itself, or its configuration
  kUnknown,     ///< the origin is not known
};

/// An origin, and the variable through which the value came in, without '$'.
using Source = std::pair<Origin, std::string>;
using Sources = std::set<Source>;
/// Whether one of them is of that origin.
bool has(const Sources& sources, Origin origin);

/// A constant text, or a text that depends on the request.
struct Piece {
  std::string literal;  ///< the text, if it is constant
  bool is_literal = true;
  Language language;
  Sources from;
  Sources chosen_by;       ///< the sources that chose this text among others
  bool is_secret = false;  ///< to choose it, a visitor must know a long word from the configuration
  bool is_default = false;  ///< a map has it for everything else
  bool is_far_in = false;   ///< it is part of a path, but not the component that holds a token
  std::string name;         ///< the variable that it comes from

  static Piece constant(std::string_view text);
  bool operator==(const Piece&) const = default;
};

/// One text that a value may be: its pieces in order. A map's "" is a piece too.
struct Alternative {
  std::vector<Piece> text;
  bool operator==(const Alternative&) const = default;

  /// The whole text, if it is constant.
  std::optional<std::string> constant() const;
  Language language() const;
  /// The whole text as one piece.
  Piece as_one() const;
};

/// All texts that a value may be. The number is bounded: beyond the bound, one alternative stands
/// for all.
using Value = std::vector<Alternative>;

Value constant(std::string_view text);
Value unknown(std::string name);
Value varying(const Language& language, Sources from, std::string name);
/// The texts of `first`, each with one of `second` behind it.
Value concatenated(const Value& first, const Value& second);
/// Adds the texts of `other` to `into`.
void join(Value& into, const Value& other);
/// The language of the whole value.
Language language_of(const Value& value);
Sources sources_of(const Value& value);
/// The sources that chose among texts, and how.
struct Choice {
  Sources by;
  bool is_secret = false;
  bool is_default = false;
};
Value chosen(Value value, const Choice& choice);

/// The names of the variables in a text, in order, without '$' and braces.
std::vector<std::string> variables_in(std::string_view text);

}  // namespace grantctl::nginxconf
