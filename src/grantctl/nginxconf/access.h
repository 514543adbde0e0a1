#pragma once

#include <string>

#include "grantctl/nginxconf/rewriting.h"
#include "grantctl/nginxconf/site_map.h"

namespace grantctl::nginxconf {

class Access;

/// The checks that a request has passed on its way to a block, besides those in force in the block.
struct Passed {
  const Access* before = nullptr;     ///< the block that let the visitor in already; null: none
  bool is_guarded = false;            ///< an `if` lets only known visitors through
  bool is_signed = false;             ///< an `if` requires a signature
  bool certificate_verified = false;  ///< an `if` requires a verified certificate
  bool certificate_failed = false;    ///< nginx came here because the certificate is not verified
};

/// Whether the visitor chooses the server that requests are handed on to. `url` is the argument of
/// proxy_pass.
bool is_named_by_visitor(const Alternative& url, const Access& access);

/// The checks that nginx makes on visitors before a block answers them.
class Access {
 public:
  /// `site` is the block's server; `frame` is the state of variables in the block. All must outlive
  /// this object.
  Access(const SiteMap& map, const Site& site, const Scope& scope, const Frame& frame,
         Variables& variables, const Passed& passed);

  /// Whether a source tells the truth about the visitor, and not a text of the visitor's choice.
  bool proves(const Source& source) const;
  /// Whether the block asks for a password, a certificate, an address or the like, so that not
  /// everybody is answered.
  bool asks_for_anything() const;
  /// Whether nobody is answered, because of `deny all`.
  bool refuses_all() const;
  /// Whether a visitor may pretend to be at another address.
  bool is_address_chosen() const;
  /// The piece of a file's name that is not the server's own choice; null: none. This is stricter
  /// than proves(), which may rest on the content of that file.
  const Piece* chosen_piece(const Alternative& file) const;
  /// Whether auth_basic's file of users exists, and all names in it are plain.
  bool has_plain_users() const;

 private:
  bool proves_here(const Source& source) const;
  bool asks_for_password() const;
  bool asks_subrequest() const;
  bool has_signed_path() const;
  bool asks_for_jwt() const;
  bool verifies_certificates() const;
  bool takes_unverified_certificates() const;
  bool admits_some_addresses() const;
  bool is_satisfied_otherwise(bool by_password, bool by_subrequest) const;
  bool sets_header(const Spot& front, const std::string& variable) const;
  bool trusts_header(const std::string& variable) const;

  const SiteMap& map_;
  const Site& site_;
  const Scope& scope_;
  const Frame& frame_;
  Variables& variables_;
  const Passed passed_;
};

}  // namespace grantctl::nginxconf
